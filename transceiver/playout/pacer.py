"""The pacer: gives a worker's audio its times on the wire clock, and knows what has been played. Sans-IO.

A worker may produce audio faster than real time, in real time, or late. The pacer keeps one schedule per session:

- ahead of the schedule, a frame waits;
- a little late (up to `slack_s`), it leaves at once and the schedule stays, so that lateness does not pile up as delay;
- later than that, the schedule starts anew and the RTP timestamp leaps by the time that passed, with the marker bit
  set, as RFC 3550 asks after a pause (https://www.rfc-editor.org/rfc/rfc3550#section-5.1).

Frames leave by themselves: up to LEAD_S of them are *committed* ahead, each with the time when it is due, to whoever
sends them on time whatever this loop is doing. What has not left can be taken back, which is how an interruption takes
effect at once. How many wait is all that the pacer needs to be told to know to the frame what has been played.

    pushed ──▶ queued ──commit──▶ committed ──settle──▶ played
                  ▲                   │
                  └───── flush ───────┘  (what the flush spares; the rest is dropped)

A source that runs in real time (an echo of the caller, a person behind a worker) has a clock of its own. If that is
faster than ours, its drift would fill the queue; so with hardly anything ahead the schedule runs CATCH_UP faster than
our clock. If it is slower, each frame would be later than the one before, until the schedule starts anew and the caller
hears a gap; so a late frame holds the schedule back, by FALL_BACK. Together they keep the schedule where most frames of
such a source leave as they come, and its timestamps at its own rate. Audio that really is ahead keeps the exact pace,
but for what a hold-up has put ahead of a schedule that started anew (`hold_up`).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from transceiver.media_port.interface import MAX_SCHEDULED
from transceiver.playout.hold_up import HoldUp
from transceiver.playout.silence import FRAME_US, FRAMES, LEVEL_DBOV

LEAD_S = 0.4
"""So far ahead frames are committed: for so long the loop may be held up in the best case,"""
TOP_UP_S = 0.2
"""and for so long in the worst: more is committed when so much of it is left. Ten frames share a wake-up."""
CATCH_UP = 0.005
CATCH_UP_BELOW_US = 60_000
FALL_BACK = 0.001
"""Five times what clocks differ by at most, and less than CATCH_UP: a late frame is to delay those behind it little."""
MICROSECONDS = 1_000_000

_new = tuple.__new__
"""Makes named tuples for each frame: their own constructors take three times as long."""

MAX_RUNS = 64
"""Runs of frames that are alike, of which it is remembered that they were played."""


class PacedFrame(NamedTuple):
    """A frame that leaves at `due`; `rtp_timestamp` in the codec's clock, counted from the session's first frame."""

    payload: bytes
    rtp_timestamp: int
    marker: bool
    due: float
    level_dbov: int | None = None
    """How loud it is, as RFC 6464 counts; None: nobody has looked."""


class PlayedFrame(NamedTuple):
    """A frame that leaves at once, and counts as played."""

    payload: bytes
    rtp_timestamp: int
    marker: bool


class _Queued(NamedTuple):
    payload: bytes
    duration_us: int
    content_us: int
    gap_us: int
    response_id: str
    level_dbov: int | None


@dataclass(slots=True)
class _Run:
    """Frames that were played one after the other."""

    response_id: str
    content_us: int
    frames: int


class _Committed(NamedTuple):
    """A frame on its way, and the schedule as it was before it."""

    frame: _Queued
    due: float
    due_before: float | None
    timestamp_us_before: int
    marker_before: bool


class Pacer:
    """One session's output queue.

    Args:
        clock_rate: of the RTP timestamps, in Hz.
        max_buffered_ms: bound of what has not been played. A frame beyond it is refused: the worker has exceeded its
            credit.
        slack_s: lateness up to which the schedule is kept.
        silence: a frame of the codec without sound (`silence.SILENCE`); empty: none is sent.
    """

    def __init__(self, clock_rate: int, *, max_buffered_ms: int, slack_s: float = 0.1, silence: bytes = b"") -> None:
        self._clock_rate = clock_rate
        self._max_buffered_us = max_buffered_ms * 1000
        self._slack_s = slack_s
        self._silence = silence
        self._queue: deque[_Queued] = deque()
        self._queued_us = 0
        self._committed: deque[_Committed] = deque()
        self._committed_us = 0
        self._due: float | None = None
        self._timestamp_us = 0
        self._marker = True
        self._hold_up = HoldUp()
        self._expected: tuple[str, int] | None = None
        self._playing = ""
        self._played_us = 0
        self._untaken_us = 0
        self._runs: deque[_Run] = deque(maxlen=MAX_RUNS)

    @property
    def buffered_ms(self) -> int:
        """Audio that has not been played, as far as `settle` has been told."""
        return (self._queued_us + self._committed_us) // 1000

    @property
    def playing(self) -> str:
        """The response whose audio was played last; empty before the first."""
        return self._playing

    def played_us(self, response_id: str) -> int:
        """How much of the current response's audio has been played; 0 for any other."""
        return self._played_us if response_id == self._playing else 0

    def received_us(self, response_id: str, unconfirmed: int | None) -> int:
        """How much of the current response's audio has been received, where the last `unconfirmed` frames may not be.

        None: nothing is known to have been. What was lost on the way counts as received if something after it was.
        """
        if unconfirmed is None or response_id != self._playing:
            return 0
        received_us = self._played_us
        for run in reversed(self._runs):
            if unconfirmed == 0 or run.response_id != response_id:
                return received_us
            frames = min(run.frames, unconfirmed)
            received_us -= frames * run.content_us
            unconfirmed -= frames
        return received_us if unconfirmed == 0 else 0

    def take_played_ms(self, *, at_least: int) -> int:
        """Whole milliseconds played since the last call that returned any; 0 until there are `at_least` of them."""
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
        now: float,
        response_id: str = "",
        content_us: int | None = None,
        level_dbov: int | None = None,
    ) -> bool:
        """Queues one frame; False if the queue is full and the frame is dropped.

        A leap of `media_time_us` within one response is silence (or loss) of that length and is kept as such.

        Args:
            content_us: how much of the frame is the response's own; None: all of it. Only that counts as played.
            level_dbov: how loud it is, for whoever sends it.
        """
        if self._queued_us + self._committed_us + duration_us > self._max_buffered_us:
            return False
        gap_us = self._gap_us(response_id, media_time_us)
        self._expected = (response_id, media_time_us + duration_us)
        content_us = duration_us if content_us is None else content_us
        if self._hold_up.is_observing and self._due is not None:
            self._hold_up.arrived((self._due - now) * MICROSECONDS + self._queued_us + gap_us, now)
        self._queue.append(_Queued(payload, duration_us, content_us, gap_us, response_id, level_dbov))
        self._queued_us += duration_us
        return True

    def pass_on(
        self, payload: bytes, *, media_time_us: int, duration_us: int, response_id: str, now: float
    ) -> PacedFrame | PlayedFrame | None:
        """`push` and `commit` in one for a frame with nothing before it, as nearly all of a voice in real time are.

        None if it has to be pushed; nothing has changed then. What is due of audio outside any response, with nothing
        on its way before it, is over and done with: nobody asks how much of it was heard.
        """
        if self._queue or len(self._committed) > MAX_SCHEDULED // 2:
            return None
        if self._committed_us + duration_us > self._max_buffered_us:
            return None
        gap_us = self._gap_us(response_id, media_time_us)
        due = now if self._due is None else self._due + gap_us / MICROSECONDS
        if due - TOP_UP_S > now:
            return None
        if self._hold_up.is_observing:
            self._hold_up.arrived((due - now) * MICROSECONDS, now)
        self._expected = (response_id, media_time_us + duration_us)
        if due <= now and not response_id and not self._playing and not self._committed:
            rtp_timestamp, marker, _ = self._take_slot(response_id, duration_us, gap_us, due, now)
            self._untaken_us += duration_us
            return _new(PlayedFrame, (payload, rtp_timestamp, marker))
        return self._commit(_new(_Queued, (payload, duration_us, duration_us, gap_us, response_id, None)), due, now)

    def _gap_us(self, response_id: str, media_time_us: int) -> int:
        """How much of its response is missing before a frame."""
        if self._expected is None or self._expected[0] != response_id:
            return 0
        gap_us = media_time_us - self._expected[1]
        return gap_us if 0 < gap_us <= self._max_buffered_us else 0

    # On its way

    @property
    def ends_at(self) -> float | None:
        """When the last committed frame has been heard to its end; None before the first."""
        return self._due

    def next_commit(self, now: float) -> float | None:
        """When `commit` is to be called next; None while nothing is queued."""
        if not self._queue:
            return None
        due = now if self._due is None else self._due + self._queue[0].gap_us / MICROSECONDS
        when = due - TOP_UP_S
        if len(self._committed) > MAX_SCHEDULED // 2:
            # Short frames: there is room for so many, not for so much.
            when = max(when, self._committed[-MAX_SCHEDULED // 2].due)
        return when

    def commit(self, now: float) -> list[PacedFrame]:
        """The next frames, in order, those first that are due already. From here on they leave by themselves."""
        frames: list[PacedFrame] = []
        while self._queue and len(self._committed) < MAX_SCHEDULED:
            frame = self._queue[0]
            due = now if self._due is None else self._due + frame.gap_us / MICROSECONDS
            if due > now + LEAD_S:
                break
            self._queue.popleft()
            self._queued_us -= frame.duration_us
            frames.append(self._commit(frame, due, now))
        return frames

    def _commit(self, frame: _Queued, due: float, now: float) -> PacedFrame:
        before = self._due, self._timestamp_us, self._marker
        rtp_timestamp, marker, due = self._take_slot(frame.response_id, frame.duration_us, frame.gap_us, due, now)
        self._committed.append(_new(_Committed, (frame, due, *before)))
        self._committed_us += frame.duration_us
        return _new(PacedFrame, (frame.payload, rtp_timestamp, marker, due, frame.level_dbov))

    def _take_slot(
        self, response_id: str, duration_us: int, gap_us: int, due: float, now: float
    ) -> tuple[int, bool, float]:
        """A frame's place on the schedule: RTP timestamp, marker, and when it is due."""
        if self._due is not None:
            self._timestamp_us += gap_us
        if now - due > self._slack_s:
            self._start_anew(response_id, now - due, now)
            self._timestamp_us += int((now - due) * MICROSECONDS)
            self._marker = True
            due = now
        rtp_timestamp, marker = self._timestamp_us * self._clock_rate // MICROSECONDS, self._marker
        self._marker = False
        self._timestamp_us += duration_us
        self._due = due + duration_us / MICROSECONDS * self._pace(duration_us, due, now)
        return rtp_timestamp, marker, due

    def _start_anew(self, response_id: str, late_s: float, now: float) -> None:
        """Notes how much later than the schedule had it everything is from here on."""
        before = self._committed[-1].frame.response_id if self._committed else self._playing
        if response_id == before:
            self._hold_up.begin(late_s, now)
        else:
            self._hold_up.forget()

    def _pace(self, duration_us: int, due: float, now: float) -> float:
        """How long a frame takes on the schedule, of its duration, that is committed at `now` and leaves at `due`."""
        if due < now:
            return 1.0 + FALL_BACK
        if self._hold_up.is_working_off:
            return 1.0 - self._hold_up.work_off(duration_us, now)
        ahead_us = self._queued_us + (due - now) * MICROSECONDS
        return 1.0 - CATCH_UP if 0 < ahead_us < CATCH_UP_BELOW_US else 1.0

    def is_due(self, now: float) -> bool:
        """Whether all that is committed should have left, and there is some: then `settle` is to be told."""
        return bool(self._committed) and self._committed[-1].due <= now

    # Played

    def settle(self, waiting: int, now: float) -> list[str]:
        """All committed frames but the last `waiting` have left. Returns the responses that have begun to be played."""
        begun: list[str] = []
        # One that was refused on its way waits nowhere. Its time passes all the same.
        while len(self._committed) > waiting and self._committed[0].due <= now:
            frame = self._committed.popleft().frame
            self._committed_us -= frame.duration_us
            if frame.response_id != self._playing:
                self._playing, self._played_us = frame.response_id, 0
                begun.append(frame.response_id)
            self._remember(frame)
            self._played_us += frame.content_us
            self._untaken_us += frame.content_us
        return begun

    def _remember(self, frame: _Queued) -> None:
        last = self._runs[-1] if self._runs else None
        if last is not None and last.response_id == frame.response_id and last.content_us == frame.content_us:
            last.frames += 1
        else:
            self._runs.append(_Run(frame.response_id, frame.content_us, 1))

    def next_change(self) -> float | None:
        """When a committed frame leaves that is the first of another response, or the last of all that there is."""
        if not self._committed:
            return None
        last = self._committed[-1]
        if last.frame.response_id != self._playing:
            return next(each.due for each in self._committed if each.frame.response_id != self._playing)
        return None if self._queue else last.due

    def flush(self, response_id: str | None = None) -> int:
        """Drops what has not been played of `response_id` (None: of all). Returns the milliseconds dropped.

        What is committed must have been taken back, and `settle` been told of it. Of that, what is spared is queued
        again, in its place.
        """
        self._take_back()
        before_us = self._queued_us
        self._queue = deque(frame for frame in self._queue if _is_spared(frame, response_id))
        self._queued_us = _duration_us(self._queue)
        if self._queued_us < before_us:
            self._hold_up.forget()
        return (before_us - self._queued_us) // 1000

    def fall_silent(self, now: float) -> None:
        """After a flush: ends what was cut off with frames that belong to nothing, if nothing follows it."""
        if not self._silence or self._due is None or self._queue or self._expected is None:
            return
        for _ in range(FRAMES):
            self.push(
                self._silence,
                media_time_us=self._expected[1],
                duration_us=FRAME_US,
                now=now,
                response_id=self._playing,
                content_us=0,
                level_dbov=LEVEL_DBOV,
            )

    def close(self) -> None:
        """The call is over."""
        self.flush()

    def _take_back(self) -> None:
        if not self._committed:
            return
        first = self._committed[0]
        self._due, self._timestamp_us = first.due_before, first.timestamp_us_before
        self._marker = first.marker_before
        self._queue.extendleft(each.frame for each in reversed(self._committed))
        self._queued_us += self._committed_us
        self._committed.clear()
        self._committed_us = 0


def _is_spared(frame: _Queued, flushed: str | None) -> bool:
    """What belongs to nothing is the silence after what was flushed before."""
    return frame.content_us == 0 or (flushed is not None and frame.response_id != flushed)


def _duration_us(frames: Iterable[_Queued]) -> int:
    return sum(frame.duration_us for frame in frames)
