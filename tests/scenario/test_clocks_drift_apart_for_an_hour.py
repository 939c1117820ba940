"""Client, host and worker have clocks of their own, up to 200 ppm apart: in an hour nothing piles up or runs out."""

import random
from itertools import pairwise

import numpy as np
import pytest

from tests.support.wire_clock import WireClock
from transceiver.audio.counters import AudioCounters
from transceiver.audio.jitter_buffer import JitterBuffer
from transceiver.playout.pacer import PacedFrame, Pacer
from transceiver.session.actions import AudioReceived
from transceiver.session.playout_delay import PlayoutDelay

HOUR_S = 3600.0
FRAME_S = 0.02
FRAME_US = 20_000
START = 1000.0
JITTER_S = 0.015
PPM = (-200, 200)


def arrivals(ppm: int) -> list[float]:
    """When the frames of an hour come, whose sender's clock runs so much faster than ours: in order, with jitter."""
    jitter = random.Random(ppm)  # a seed, not a secret
    interval_s = FRAME_S / (1 + ppm / 1e6)
    times: list[float] = []
    for number in range(int(HOUR_S / interval_s)):
        came = START + number * interval_s + jitter.random() * JITTER_S
        times.append(max(came, times[-1]) if times else came)
    return times


@pytest.mark.parametrize("ppm", PPM)
def test_a_callers_audio_is_heard_whole_and_waits_no_longer_in_the_end_than_in_the_beginning(ppm: int) -> None:
    delay, counters = PlayoutDelay(8000), AudioCounters()
    buffer = JitterBuffer("PCMU", 8000, delay, counters)
    payload, heard_us, targets_ms, waits_ms = bytes(160), 0, [], []
    times = arrivals(ppm)
    for number, now in enumerate(times):
        while (due := buffer.next_timeout()) is not None and due <= now:
            buffer.handle_timeout(due)
        delay.arrived(160 * number, now)
        buffer.receive(AudioReceived(payload, "PCMU", 160 * number, number, False, None, 0), now)
        heard_us += sum(piece.duration_us for piece in buffer.take_pieces())
        targets_ms.append(1000 * delay.target_s)
        # Until when the next one would be waited for, from when it comes at the earliest.
        waits_ms.append(1000 * (delay.due((number + 1) * FRAME_S) - (START + (number + 1) * FRAME_S / (1 + ppm / 1e6))))
    first, last = waits_ms[3000:33_000], waits_ms[-30_000:]
    print(
        f"{ppm:+} ppm, {len(times)} frames: heard {heard_us / 1e6:.2f} s, concealed {counters.concealed_us} µs,",
        end=" ",
    )
    print(
        f"silence {counters.silence_us} µs, target {min(targets_ms[3000:]):.0f} to {max(targets_ms):.0f} ms,", end=" "
    )
    print(f"waits {np.mean(first):.1f} ms in the first ten minutes and {np.mean(last):.1f} ms in the last")
    assert heard_us == len(times) * FRAME_US
    assert (counters.concealed_us, counters.silence_us, counters.inserted_us, counters.discontinuities) == (0, 0, 0, 0)
    assert abs(np.mean(last) - np.mean(first)) < 5
    assert max(targets_ms) < 80


def rate_ppm(left: list[tuple[float, PacedFrame]]) -> float:
    """How much faster than our clock the timestamps run."""
    (began, first), (ended, last) = left[1000], left[-1]
    return ((last.rtp_timestamp - first.rtp_timestamp) / 8000 / (ended - began) - 1) * 1e6


@pytest.mark.parametrize("ppm", PPM)
def test_a_voice_that_comes_in_real_time_is_sent_at_its_own_rate(ppm: int) -> None:
    pacer = Pacer(8000, max_buffered_ms=10_000)
    clock = WireClock(pacer, START)
    times = arrivals(ppm)
    most_ms = 0
    for number, now in enumerate(times):
        clock.run(now)
        assert pacer.push(b"x", media_time_us=number * FRAME_US, duration_us=FRAME_US, now=now)
        while (due := clock.next_at) is not None and due <= now:
            clock.step()
        most_ms = max(most_ms, pacer.buffered_ms)
    clock.run(clock.now + 1)
    waited_ms = [1000 * (left - came) for (left, _), came in zip(clock.left, times, strict=True)]
    rate = rate_ppm(clock.left)
    print(f"{ppm:+} ppm, {len(times)} frames: sent at {rate:+.0f} ppm, buffered {most_ms} ms at most,", end=" ")
    print(f"waited {np.mean(waited_ms[:30_000]):.2f} ms in the first ten minutes,", end=" ")
    print(f"{np.mean(waited_ms[-30_000:]):.2f} ms in the last, {max(waited_ms):.1f} ms at most")
    assert all(later.rtp_timestamp - earlier.rtp_timestamp == 160 for (_, earlier), (_, later) in pairwise(clock.left))
    assert abs(rate - ppm) < 10
    assert most_ms <= 60
    assert max(waited_ms) < 40
    assert abs(np.mean(waited_ms[-30_000:]) - np.mean(waited_ms[:30_000])) < 2


def test_an_answer_of_an_hour_made_as_fast_as_credit_allows_keeps_our_clock() -> None:
    pacer = Pacer(8000, max_buffered_ms=10_000)
    clock = WireClock(pacer, START)
    frames = int(HOUR_S / FRAME_S)
    pushed, least_ms = 0, 10_000
    while pushed < frames:
        while pushed < frames and pacer.push(
            b"x", media_time_us=pushed * FRAME_US, duration_us=FRAME_US, now=clock.now
        ):
            pushed += 1
        clock.run(clock.now + 1)
        least_ms = min(least_ms, pacer.buffered_ms)
    clock.run(clock.now + 20)
    print(f"{len(clock.left)} frames, sent at {rate_ppm(clock.left):+.3f} ppm, buffered {least_ms} ms at least")
    assert len(clock.left) == frames
    assert least_ms > 8500
    assert all(abs(left - START - frame.rtp_timestamp / 8000) < 0.001 for left, frame in clock.left[: frames - 10]), (
        "to the end it leaves when its timestamp says"
    )
