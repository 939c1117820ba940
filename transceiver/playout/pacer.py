"""The pacer: releases a worker's audio at the wire clock. Sans-IO.

A worker may produce audio faster than real time, in real time, or late. The pacer keeps one schedule per session, so
that frames leave when they are to be played and the transceiver knows what has been played:

- ahead of the schedule, a frame waits;
- a little late (up to `slack_s`), it leaves at once and the schedule stays, so that lateness does not pile up as delay;
- later than that, the schedule starts anew and the RTP timestamp leaps by the time that passed, with the marker bit
  set, as RFC 3550 asks after a pause (https://www.rfc-editor.org/rfc/rfc3550#section-5.1).

A source that runs in real time on a clock slightly faster than ours (an echo of the caller) would fill the queue by its
drift. So with hardly anything queued the schedule runs CATCH_UP faster than the clock: the queue of such a source stays
empty, while audio that really is ahead keeps the exact pace.
"""

from collections import deque
from dataclasses import dataclass

CATCH_UP = 0.005
CATCH_UP_BELOW_US = 60_000
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class PacedFrame:
    """A frame that is due: `rtp_timestamp` in the codec's clock, counted from the session's first frame."""

    payload: bytes
    rtp_timestamp: int
    marker: bool


@dataclass(frozen=True, slots=True)
class _Queued:
    payload: bytes
    duration_us: int
    content_us: int
    gap_us: int
    response_id: str


class Pacer:
    """One session's output queue.

    Args:
        clock_rate: of the RTP timestamps, in Hz.
        max_buffered_ms: bound of the queue. A frame beyond it is refused: the worker has exceeded its credit.
        slack_s: lateness up to which the schedule is kept.
    """

    def __init__(self, clock_rate: int, *, max_buffered_ms: int, slack_s: float = 0.1) -> None:
        self._clock_rate = clock_rate
        self._max_buffered_us = max_buffered_ms * 1000
        self._slack_s = slack_s
        self._queue: deque[_Queued] = deque()
        self._buffered_us = 0
        self._due: float | None = None
        self._timestamp_us = 0
        self._marker = True
        self._expected: tuple[str, int] | None = None
        self._playing = ""
        self._played_us = 0
        self._untaken_us = 0

    @property
    def buffered_ms(self) -> int:
        """Audio queued and not yet released."""
        return self._buffered_us // 1000

    @property
    def playing(self) -> str:
        """The response whose audio was released last; empty before the first."""
        return self._playing

    def played_us(self, response_id: str) -> int:
        """How much of the current response's audio has been released; 0 for any other."""
        return self._played_us if response_id == self._playing else 0

    def take_played_ms(self, *, at_least: int) -> int:
        """Whole milliseconds released since the last call that returned any; 0 until there are `at_least` of them."""
        played_ms = self._untaken_us // 1000
        if played_ms < at_least:
            return 0
        self._untaken_us -= played_ms * 1000
        return played_ms

    def push(
        self,
        payload: bytes,
        *,
        media_time_us: int,
        duration_us: int,
        response_id: str = "",
        content_us: int | None = None,
    ) -> bool:
        """Queues one frame; False if the queue is full and the frame is dropped.

        A leap of `media_time_us` within one response is silence (or loss) of that length and is kept as such.

        Args:
            content_us: how much of the frame is the response's own; None: all of it. Only that counts as played.
        """
        if self._buffered_us + duration_us > self._max_buffered_us:
            return False
        gap_us = 0
        if self._expected is not None and self._expected[0] == response_id:
            gap_us = max(0, media_time_us - self._expected[1])
            if gap_us > self._max_buffered_us:
                gap_us = 0
        self._expected = (response_id, media_time_us + duration_us)
        content_us = duration_us if content_us is None else content_us
        self._queue.append(_Queued(payload, duration_us, content_us, gap_us, response_id))
        self._buffered_us += duration_us
        return True

    def flush(self, response_id: str | None = None) -> int:
        """Drops what is queued of `response_id` (None: of all), at once. Returns the milliseconds dropped."""
        kept = deque(frame for frame in self._queue if response_id is not None and frame.response_id != response_id)
        before = self._buffered_us
        self._queue = kept
        self._buffered_us = sum(frame.duration_us for frame in kept)
        return (before - self._buffered_us) // 1000

    def close(self) -> None:
        """The call is over."""
        self.flush()

    def next_due(self, now: float) -> float | None:
        """When `release` has something to give; None while nothing is queued."""
        if not self._queue:
            return None
        if self._due is None:
            return now
        return self._due + self._queue[0].gap_us / MICROSECONDS

    def release(self, now: float) -> list[PacedFrame]:
        """The frames that are due at `now`, in order."""
        released: list[PacedFrame] = []
        while self._queue:
            frame = self._queue[0]
            due = now if self._due is None else self._due + frame.gap_us / MICROSECONDS
            if due > now:
                break
            if now - due > self._slack_s:
                self._timestamp_us += int((now - due) * MICROSECONDS)
                self._marker = True
                due = now
            self._timestamp_us += frame.gap_us if self._due is not None else 0
            released.append(self._take(frame, due))
        return released

    def _take(self, frame: _Queued, due: float) -> PacedFrame:
        self._queue.popleft()
        self._buffered_us -= frame.duration_us
        paced = PacedFrame(
            payload=frame.payload,
            rtp_timestamp=self._timestamp_us * self._clock_rate // MICROSECONDS,
            marker=self._marker,
        )
        self._marker = False
        self._timestamp_us += frame.duration_us
        pace = 1.0 - CATCH_UP if self._buffered_us < CATCH_UP_BELOW_US else 1.0
        self._due = due + frame.duration_us / MICROSECONDS * pace
        if frame.response_id != self._playing:
            self._playing, self._played_us = frame.response_id, 0
        self._played_us += frame.content_us
        self._untaken_us += frame.content_us
        return paced
