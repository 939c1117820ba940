"""The pacer decides when a worker's audio leaves, and what was played."""

from transceiver.playout.pacer import PacedFrame, Pacer

FRAME_US = 20_000
START = 100.0


def pacer(max_buffered_ms: int = 10_000) -> Pacer:
    return Pacer(48_000, max_buffered_ms=max_buffered_ms)


def push(target: Pacer, number: int, response_id: str = "resp") -> bool:
    return target.push(b"%d" % number, media_time_us=number * FRAME_US, duration_us=FRAME_US, response_id=response_id)


def run(target: Pacer, until: float, start: float = START) -> list[tuple[float, PacedFrame]]:
    """Releases frames at the times the pacer itself names."""
    released: list[tuple[float, PacedFrame]] = []
    now = start
    while (due := target.next_due(now)) is not None and due <= until:
        now = max(now, due)
        released += [(now, frame) for frame in target.release(now)]
    return released


def test_audio_made_faster_than_real_time_leaves_at_the_wire_clock() -> None:
    target = pacer()
    for number in range(100):
        assert push(target, number)
    released = run(target, START + 10)
    assert [frame.rtp_timestamp for _, frame in released] == [960 * number for number in range(100)]
    times = [time - START for time, _ in released]
    assert all(abs(time - 0.02 * number) < 0.001 for number, time in enumerate(times))


def test_only_the_first_frame_of_a_talk_spurt_has_the_marker() -> None:
    target = pacer()
    for number in range(3):
        push(target, number)
    assert [frame.marker for _, frame in run(target, START + 1)] == [True, False, False]


def test_a_frame_a_little_late_leaves_at_once_and_the_schedule_stays() -> None:
    target = pacer()
    push(target, 0)
    target.release(START)
    push(target, 1)
    late = START + 0.02 + 0.05
    assert [frame.rtp_timestamp for frame in target.release(late)] == [960]
    push(target, 2)
    assert target.next_due(late) is not None
    assert [frame.rtp_timestamp for frame in target.release(late)] == [1920]


def test_after_a_pause_the_timestamp_leaps_by_the_time_that_passed() -> None:
    target = pacer()
    push(target, 0)
    target.release(START)
    push(target, 1)
    (frame,) = target.release(START + 2.0)
    assert frame.marker
    assert abs(frame.rtp_timestamp - 2 * 48_000) <= 48


def test_a_leap_in_media_time_is_kept_as_silence() -> None:
    target = pacer()
    push(target, 0)
    push(target, 3)
    released = run(target, START + 1)
    assert [frame.rtp_timestamp for _, frame in released] == [0, 3 * 960]
    assert abs(released[1][0] - START - 0.06) < 0.001


def test_a_real_time_source_on_a_fast_clock_builds_up_no_delay() -> None:
    target = pacer()
    now = START
    for number in range(50 * 60 * 10):  # ten minutes of a clock that runs 0.1 % fast: 600 ms too much audio
        now += 0.02 / 1.001
        push(target, number)
        target.release(now)
    assert target.buffered_ms <= 60


def test_a_full_queue_refuses_the_frame() -> None:
    target = pacer(max_buffered_ms=100)
    assert [push(target, number) for number in range(6)] == [True] * 5 + [False]
    assert target.buffered_ms == 100


def test_a_flush_is_immediate_and_leaves_other_responses_alone() -> None:
    target = pacer()
    push(target, 0, "first")
    push(target, 1, "first")
    push(target, 0, "second")
    target.release(START)
    assert target.flush("first") == 20
    assert [frame.payload for _, frame in run(target, START + 1, START + 0.02)] == [b"0"]
    push(target, 1, "second")
    assert target.flush() == 20
    assert target.next_due(START) is None


def test_it_knows_how_much_of_the_response_was_played() -> None:
    target = pacer()
    for number in range(10):
        push(target, number)
    run(target, START + 0.09)
    assert target.played_us("resp") == 5 * FRAME_US
    assert target.played_us("another") == 0


def test_played_time_is_reported_in_steps_and_only_once() -> None:
    target = pacer()
    for number in range(12):
        push(target, number)
    run(target, START + 0.19)
    assert target.take_played_ms(at_least=200) == 200
    assert target.take_played_ms(at_least=200) == 0
