"""How long to wait for a packet that has not come: the playout clock, learnt from when packets do come. Sans-IO.

A packet's transit is its arrival less its RTP timestamp, on two clocks with an unknown offset. The least transit of the
last 10 to 20 seconds is taken for a packet that met no queue; so the clocks may drift apart and nobody notices. What a
packet took beyond that is its delay, and the target follows the delays: fast up, half the way with every packet that
exceeds it; slowly down.

Audio that comes in order waits for nothing. The target is what a missing packet is given before it counts as lost.

After a pause in which nothing came, all packets may seem late. Where a queue held them up, they come out of it faster
than they were sent, and are in time again soon. Where they keep their lateness, the client's clock had stood still: its
timestamps count what was sent, and what it sends from comes and goes (a track that is replaced, a Web Audio graph with
nothing to play). The offset is then learnt anew, as if they were the first.
"""

from typing import Final

SHORTEST_S: Final = 0.04
"""Two frames: the packet after a lost one, which may carry a copy of it (in-band FEC), comes within that."""
LONGEST_S: Final = 0.4
"""Whoever needs more hears gaps instead: an answer half a second late is worse."""
MARGIN_S: Final = 0.02

_WINDOW_S: Final = 10.0
_SHRINK: Final = 0.02
"""Seconds of target given up per second."""
_RESTART_S: Final = 2.0
"""A delay beyond that is no queue: the client's timestamps have leapt."""
_PAUSE_S: Final = 0.2
"""So long nothing came: more than a client that sends in real time leaves out between two packets."""
_CATCH_UP_S: Final = 0.1
"""So long a queue is given to empty itself: a path that was merely held up passes seconds of audio in that time."""


class PlayoutDelay:
    """One stream's.

    Args:
        clock_rate: of its RTP timestamps, in Hz.
    """

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._window_from = 0.0
        self._least = self._least_before = 0.0
        self._started = False
        self._delay_s = 0.0
        self._last_arrival = 0.0
        self._resumed_at: float | None = None
        self._least_since = 0.0
        self._delay_before_s = 0.0
        self.restarts = 0
        """How often the offset of the clocks was learnt anew."""

    @property
    def target_s(self) -> float:
        """How late a packet may be, counted from when the fastest would have come."""
        return min(max(self._delay_s + MARGIN_S, SHORTEST_S), LONGEST_S)

    def arrived(self, rtp_timestamp: int, now: float) -> None:
        """Notes a packet: of any kind, also one that is too late. `rtp_timestamp` is unwrapped."""
        transit = now - rtp_timestamp / self._clock_rate
        if not self._started or transit - self._base > _RESTART_S:
            self._restart(transit, now)
        elif now - self._window_from > _WINDOW_S:
            self._least_before, self._least = self._least, transit
            self._window_from = now
        elif transit < self._least:
            self._least = transit
        self._watch_for_a_clock_that_stood(transit, now)
        delay = min(transit - self._base, LONGEST_S)
        if delay > self._delay_s:
            self._delay_s += (delay - self._delay_s) / 2
        else:
            self._delay_s = max(delay, self._delay_s - (now - self._last_arrival) * _SHRINK)
        self._last_arrival = now

    def _watch_for_a_clock_that_stood(self, transit: float, now: float) -> None:
        if now - self._last_arrival > _PAUSE_S:
            self._resumed_at, self._least_since, self._delay_before_s = now, transit, self._delay_s
        if self._resumed_at is None:
            return
        self._least_since = min(self._least_since, transit)
        if now - self._resumed_at >= _CATCH_UP_S:
            self._resumed_at = None
            if self._least_since - self._base > SHORTEST_S:
                self._restart(self._least_since, now)
                self._delay_s = self._delay_before_s

    def _restart(self, transit: float, now: float) -> None:
        self.restarts += self._started
        self._started = True
        self._least = self._least_before = transit
        self._window_from = now

    def due(self, media_s: float) -> float:
        """Until when the packet is waited for whose timestamp is `media_s` in seconds."""
        return self._base + media_s + self.target_s

    @property
    def _base(self) -> float:
        return min(self._least, self._least_before)
