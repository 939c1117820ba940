"""How late the event loop is: the delay that everything on it suffers, media included."""

import asyncio
import time
from bisect import bisect_left

INTERVAL_S = 0.05
BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Upper bounds of the histogram's buckets; 20 ms is one packet of every call."""


class LoopWatch:
    """Asks the loop to call it every 50 ms, and counts by how much it was late. Must be created within the loop.

    Attributes:
        counts: delays per bucket of `BOUNDS_S`, and those beyond the last.
        lag_sum_s: all of them together.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.lag_sum_s = 0.0
        self._due = time.monotonic() + INTERVAL_S
        self._handle = self._loop.call_later(INTERVAL_S, self._fire)

    def cancel(self) -> None:
        """Stops."""
        self._handle.cancel()

    @property
    def tasks(self) -> int:
        """Tasks on the loop."""
        return len(asyncio.all_tasks(self._loop))

    def _fire(self) -> None:
        now = time.monotonic()
        lag = max(0.0, now - self._due)
        self.counts[bisect_left(BOUNDS_S, lag)] += 1
        self.lag_sum_s += lag
        # From now on and not from when it was due: one long delay is one delay.
        self._due = now + INTERVAL_S
        self._handle = self._loop.call_later(INTERVAL_S, self._fire)
