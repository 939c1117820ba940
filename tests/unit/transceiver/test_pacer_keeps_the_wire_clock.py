"""The pacer decides when a worker's audio leaves, and what was played."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.wire_clock import WireClock
from transceiver.media_port.interface import MAX_SCHEDULED
from transceiver.playout.pacer import LEAD_S, TOP_UP_S, Pacer, PlayedFrame

FRAME_US = 20_000
START = 100.0


def pacer(max_buffered_ms: int = 10_000, silence: bytes = b"") -> tuple[Pacer, WireClock]:
    made = Pacer(48_000, max_buffered_ms=max_buffered_ms, silence=silence)
    return made, WireClock(made, START)


def push(target: Pacer, number: int, response_id: str = "resp") -> bool:
    return target.push(
        b"%d" % number, media_time_us=number * FRAME_US, duration_us=FRAME_US, now=START, response_id=response_id
    )


def test_audio_made_faster_than_real_time_leaves_at_the_wire_clock() -> None:
    target, clock = pacer()
    for number in range(100):
        assert push(target, number)
    clock.run(START + 10)
    assert [frame.payload for _, frame in clock.left] == [b"%d" % number for number in range(100)]
    assert [frame.rtp_timestamp for _, frame in clock.left] == [960 * number for number in range(100)]
    assert all(abs(time - START - 0.02 * number) < 0.001 for number, (time, _) in enumerate(clock.left))


@pytest.mark.parametrize("duration_us", [2_500, 10_000, 20_000, 60_000, 120_000])
def test_at_thirty_times_real_time_the_order_is_kept_nothing_is_lost_and_little_is_committed(duration_us: int) -> None:
    target, clock = pacer(max_buffered_ms=60_000)
    frames = 30_000_000 // duration_us
    for number in range(frames):
        assert target.push(b"%d" % number, media_time_us=number * duration_us, duration_us=duration_us, now=clock.now)
        clock.run(START + number * duration_us / 30e6)
        committed = clock.take_back() if number == frames // 2 else 0
        assert committed <= min(MAX_SCHEDULED, LEAD_S * 1e6 / duration_us + 1)
        if committed:
            # As if an answer before it had been interrupted: it goes on as if nothing had been.
            assert target.flush("another") == 0
    clock.run(START + 40)
    assert [frame.payload for _, frame in clock.left] == [b"%d" % number for number in range(frames)]
    assert [frame.rtp_timestamp for _, frame in clock.left] == [
        number * duration_us * 48 // 1000 for number in range(frames)
    ]
    spacing = [later - earlier for (earlier, _), (later, _) in pairwise(clock.left)]
    assert max(spacing) - min(spacing) < 0.01 * duration_us / 1e6


@pytest.mark.parametrize("stall_s", [0.15, TOP_UP_S])
def test_whoever_commits_may_be_held_up_and_the_spacing_stays_even(stall_s: float) -> None:
    target, clock = pacer()
    for number in range(200):
        push(target, number)
    for _ in range(10):
        clock.run(clock.now + 0.13)
        clock.stall(stall_s - 0.001)
    times = [time for time, _ in clock.left]
    assert len(times) > 100
    assert all(abs(later - earlier - 0.02) < 1e-6 for earlier, later in pairwise(times))


def test_ten_frames_share_a_wake_up() -> None:
    target, _ = pacer()
    for number in range(200):
        push(target, number)
    target.commit(START)
    when = target.next_commit(START)
    assert when is not None
    assert when == pytest.approx(START + LEAD_S + 0.02 - TOP_UP_S)
    assert len(target.commit(when)) >= 10


def test_only_the_first_frame_of_a_talk_spurt_has_the_marker() -> None:
    target, clock = pacer()
    for number in range(3):
        push(target, number)
    clock.run(START + 1)
    assert [frame.marker for _, frame in clock.left] == [True, False, False]


def test_a_frame_a_little_late_leaves_at_once_and_the_schedule_stays() -> None:
    target, clock = pacer()
    push(target, 0)
    clock.step()
    clock.now += 0.02 + 0.05
    push(target, 1)
    clock.step()
    push(target, 2)
    clock.step()
    assert [(round(time - START, 3), frame.rtp_timestamp) for time, frame in clock.left] == [
        (0.0, 0),
        (0.07, 960),
        (0.07, 1920),
    ]


def test_after_a_pause_the_timestamp_leaps_by_the_time_that_passed() -> None:
    target, clock = pacer()
    push(target, 0)
    clock.run(START + 2.0)
    push(target, 1)
    clock.step()
    _, frame = clock.left[-1]
    assert frame.marker
    assert abs(frame.rtp_timestamp - 2 * 48_000) <= 48


def test_a_leap_in_media_time_is_kept_as_silence() -> None:
    target, clock = pacer()
    push(target, 0)
    push(target, 3)
    clock.run(START + 1)
    assert [frame.rtp_timestamp for _, frame in clock.left] == [0, 3 * 960]
    assert abs(clock.left[1][0] - START - 0.06) < 0.001


def test_a_full_queue_refuses_the_frame() -> None:
    target, clock = pacer(max_buffered_ms=100)
    assert [push(target, number) for number in range(6)] == [True] * 5 + [False]
    assert target.buffered_ms == 100
    clock.step()
    assert target.buffered_ms == 80, "what is on its way has not been played"
    assert [push(target, number) for number in range(5, 7)] == [True, False]


def test_a_flush_takes_effect_within_a_frame_and_leaves_other_responses_alone() -> None:
    target, clock = pacer()
    for number in range(20):
        push(target, number, "first")
    for number in range(10):
        push(target, number, "second")
    clock.run(START + 0.1)
    assert clock.take_back() > 10
    assert target.flush("first") == 14 * 20
    clock.run(START + 1)
    assert [frame.payload for _, frame in clock.left] == [b"%d" % number for number in [*range(6), *range(10)]]
    assert [frame.rtp_timestamp for _, frame in clock.left] == [960 * number for number in range(16)]
    assert all(abs(time - START - 0.02 * number) < 0.001 for number, (time, _) in enumerate(clock.left))
    assert clock.begun == ["first", "second"]


def test_what_is_cut_off_ends_in_silence_that_counts_for_nothing() -> None:
    target, clock = pacer(silence=b"hush")
    target.fall_silent(START)
    assert clock.next_at is None, "nothing had been said"
    for number in range(20):
        push(target, number)
    clock.run(START + 0.09)
    clock.take_back()
    assert target.flush("resp") == 15 * 20
    target.fall_silent(clock.now)
    clock.step()
    clock.take_back()
    assert target.flush() == 0, "silence is nobody's"
    clock.run(START + 1)
    assert [frame.payload for _, frame in clock.left] == [b"0", b"1", b"2", b"3", b"4", b"hush", b"hush"]
    assert [frame.rtp_timestamp for _, frame in clock.left] == [960 * number for number in range(7)]
    assert clock.left[-1][1].level_dbov == 127
    assert (target.played_us("resp"), target.take_played_ms(at_least=1)) == (100_000, 100)
    push(target, 0, "next")
    clock.step()
    assert clock.left[-1][1].marker


def test_where_something_follows_what_was_cut_off_there_is_no_silence() -> None:
    target, clock = pacer(silence=b"hush")
    for number in range(20):
        push(target, number, "first")
    push(target, 0, "second")
    clock.run(START + 0.09)
    clock.take_back()
    target.flush("first")
    target.fall_silent(clock.now)
    clock.run(START + 1)
    assert [frame.payload for _, frame in clock.left][5:] == [b"0"]


def test_after_an_interruption_the_next_words_begin_a_talk_spurt() -> None:
    target, clock = pacer()
    for number in range(50):
        push(target, number)
    clock.run(START + 0.11)
    clock.take_back()
    target.flush()
    assert clock.next_at is None
    clock.run(START + 1.11)
    push(target, 0, "next")
    clock.step()
    _, frame = clock.left[-1]
    assert frame.marker
    assert abs(frame.rtp_timestamp - 1.11 * 48_000) <= 48
    assert len(clock.left) == 7


def test_it_knows_how_much_of_the_response_was_played() -> None:
    target, clock = pacer()
    for number in range(10):
        push(target, number)
    clock.run(START + 0.09)
    assert target.played_us("resp") == 5 * FRAME_US
    assert target.played_us("another") == 0
    assert target.buffered_ms == 100


def test_it_knows_how_much_was_received_of_what_was_played() -> None:
    target, clock = pacer()
    for number in range(5):
        push(target, number, "first")
    for number in range(10):
        push(target, number, "second")
    target.push(b"tail", media_time_us=200_000, duration_us=FRAME_US, now=START, response_id="second", content_us=7_000)
    clock.run(START + 1)
    assert target.played_us("second") == 207_000
    assert target.received_us("second", None) == 0, "nobody has said so"
    received_us = [target.received_us("second", unconfirmed) for unconfirmed in (0, 1, 2, 11, 12, 1000)]
    assert received_us == [207_000, 200_000, 180_000, 0, 0, 0]
    assert target.received_us("first", 0) == 0, "only of the current response"


def test_what_was_refused_on_its_way_is_played_when_its_time_has_passed() -> None:
    target, _ = pacer()
    for number in range(10):
        push(target, number)
    target.commit(START)
    assert target.settle(0, START + 0.05) == ["resp"]
    assert target.played_us("resp") == 3 * FRAME_US


def test_played_time_is_reported_in_steps_and_only_once() -> None:
    target, clock = pacer()
    for number in range(12):
        push(target, number)
    clock.run(START + 0.19)
    assert target.take_played_ms(at_least=200) == 200
    assert target.take_played_ms(at_least=200) == 0


def test_it_says_when_there_will_be_something_to_tell() -> None:
    target, _ = pacer()
    for number in range(3):
        push(target, number, "first")
    push(target, 0, "second")
    assert target.next_change() is None
    target.commit(START)
    assert target.next_change() == START, "the first begins"
    target.settle(3, START)
    assert target.next_change() == pytest.approx(START + 0.06, abs=0.001), "the second begins"
    target.settle(0, START + 0.06)
    assert target.next_change() is None


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.integers(1, 40)),
            st.tuples(st.just("run"), st.integers(0, 600)),
            st.tuples(st.just("stall"), st.integers(0, 600)),
            st.tuples(st.just("flush"), st.integers(0, 3)),
            st.tuples(st.just("turn"), st.integers(0, 3)),
        ),
        max_size=40,
    )
)
def test_every_frame_is_played_or_flushed_once_and_timestamps_keep_to_the_clock(steps: list[tuple[str, int]]) -> None:
    target, clock = pacer()
    response, pushed, flushed_ms, played_ms = "0", 0, 0, 0
    for step, number in steps:
        match step:
            case "push":
                for _ in range(number):
                    frame = b"%d" % pushed
                    pushed += target.push(
                        frame, media_time_us=0, duration_us=FRAME_US, now=clock.now, response_id=response
                    )
            case "run":
                clock.run(clock.now + number / 1000)
            case "stall":
                clock.stall(number / 1000)
            case "turn":
                response = str(number)
            case _:
                clock.take_back()
                flushed_ms += target.flush(str(number))
        played_ms += target.take_played_ms(at_least=1)
        assert pushed * 20 == flushed_ms + played_ms + target.buffered_ms
    clock.run(clock.now + 30)
    assert (target.buffered_ms, len(clock.left) * 20) == (0, pushed * 20 - flushed_ms)
    for (earlier, one), (later, other) in pairwise(clock.left):
        assert int(one.payload) < int(other.payload)
        assert other.rtp_timestamp - one.rtp_timestamp >= 960
        # At most the slack behind the clock, and the part of a percent that the schedule may run ahead of it.
        assert -0.11 < later - earlier - (other.rtp_timestamp - one.rtp_timestamp) / 48_000 < 0.11


@given(
    frames=st.lists(
        st.tuples(st.sampled_from(("", "r1", "r2")), st.integers(-30, 500), st.integers(0, 400)), max_size=40
    )
)
def test_what_passes_on_is_what_would_be_committed(frames: list[tuple[str, int, int]]) -> None:
    passing, queueing = Pacer(48_000, max_buffered_ms=1000), Pacer(48_000, max_buffered_ms=1000)
    now, media_time_us = 5.0, 0
    for response_id, gap_ms, pause_ms in frames:
        now += pause_ms / 1000
        media_time_us += FRAME_US + gap_ms * 1000
        passed = passing.pass_on(
            b"opus", media_time_us=media_time_us, duration_us=FRAME_US, response_id=response_id, now=now
        )
        for target in (passing, queueing) if passed is None else (queueing,):
            target.push(b"opus", media_time_us=media_time_us, duration_us=FRAME_US, now=now, response_id=response_id)
        committed = queueing.commit(now)
        if isinstance(passed, PlayedFrame):
            assert [frame[:3] for frame in committed] == [passed]
            assert committed[0].due <= now
        else:
            assert committed == ([passed] if passed is not None else passing.commit(now))
        for target in (passing, queueing):
            target.settle(0, now)
        assert passing.buffered_ms == queueing.buffered_ms
        assert passing.take_played_ms(at_least=1) == queueing.take_played_ms(at_least=1)
