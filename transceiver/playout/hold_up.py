"""Delay that a hold-up has left behind, and how it is worked off. Sans-IO.

A loop, a worker or a network stands still for a while, then all that was held up comes at once. What comes in real time
is ahead of the schedule that started anew from then on, and stays there: each of its frames waits for as long as the
hold-up took. So after a frame came too late it is observed whether all that follow come ahead of their time; if so, the
schedule runs a little faster than the clock until that is worked off:

    late frame ──SETTLE_S──▶ the least that a frame comes ahead, twice the same ──▶ worked off ──▶ observed anew
                                        each time over OBSERVE_S

The packets stay in order, their timestamps continuous; they are a percent or two closer together, as those of a sender
with a fast clock. The receiver's jitter buffer takes that up by stretching time, as it does what a network bunches up.

A model that has been slow, and makes its next words in time but no more, has no surplus; one that makes them faster
than they are spoken has more and more. What a source does on purpose (a little lead against its own jitter) is left to
it: only what a hold-up has cost is worked off.
"""

import math
from typing import Final

SETTLE_S: Final = 0.25
"""In which what was held up arrives."""
OBSERVE_S: Final = 0.5
"""So long, and until the next frame: thus it contains the first frame of a block, where they are made in blocks."""
STEADY_US: Final = 20_000
"""By more than this the second is not greater than the first: at most 4 % faster than real time."""
LONGEST_S: Final = 2.0
"""What takes longer is a pause: what comes after it has not been waiting."""
MOST_AHEAD_S: Final = 0.5
"""Who is so much further ahead than the hold-up explains makes audio faster than in real time."""
KEEP_US: Final = 10_000
"""So much of it is left alone."""
WORK_OFF_S: Final = 10.0
"""The schedule runs as much faster as it takes to be done in this time, within the following bounds."""
SLOWEST, FASTEST = 0.02, 0.05

_MICROSECONDS: Final = 1_000_000


class HoldUp:
    """What one source's schedule owes its listener."""

    __slots__ = ("_before_us", "_least_us", "_observe_from", "_owed_us", "_share", "_surplus_us")

    def __init__(self) -> None:
        self._owed_us = 0.0
        self._surplus_us = 0.0
        self._share = 0.0
        self._least_us = self._before_us = math.inf
        self._observe_from = 0.0

    @property
    def is_observing(self) -> bool:
        """Whether `arrived` wants to know."""
        return self._owed_us > 0 and self._surplus_us <= 0

    @property
    def is_working_off(self) -> bool:
        """Whether the schedule is to run faster."""
        return self._surplus_us > 0

    def begin(self, late_s: float, now: float) -> None:
        """A frame came so late that the schedule starts anew with it."""
        if late_s > LONGEST_S:
            self.forget()
            return
        self._owed_us += late_s * _MICROSECONDS
        self._surplus_us = 0.0
        self._observe(now + SETTLE_S)

    def forget(self) -> None:
        """What was owed is void: what the schedule was late with is not played at all, or nobody waits for it."""
        self._owed_us = self._surplus_us = 0.0

    def arrived(self, ahead_us: float, now: float) -> None:
        """A frame has come that leaves so much later, all that is before it counted."""
        if now < self._observe_from:
            return
        self._least_us = min(self._least_us, ahead_us)
        if now >= self._observe_from + OBSERVE_S:
            before_us, least_us = self._before_us, self._least_us
            self._observe(now, before_us=least_us)
            self._judge(before_us, least_us)

    def _judge(self, before_us: float, least_us: float) -> None:
        if least_us > self._owed_us + MOST_AHEAD_S * _MICROSECONDS:
            self.forget()
        elif least_us <= before_us + STEADY_US and before_us < math.inf:
            self._surplus_us = min(before_us - KEEP_US, least_us - KEEP_US, self._owed_us)
            self._share = min(max(self._surplus_us / _MICROSECONDS / WORK_OFF_S, SLOWEST), FASTEST)

    def work_off(self, duration_us: int, now: float) -> float:
        """Of a frame of this duration, the share by which the next one follows sooner."""
        saved_us = self._share * duration_us
        self._owed_us -= saved_us
        self._surplus_us -= saved_us
        if self._surplus_us <= 0:
            self._observe(now)
        return self._share

    def _observe(self, since: float, *, before_us: float = math.inf) -> None:
        self._observe_from = since
        self._least_us, self._before_us = math.inf, before_us
