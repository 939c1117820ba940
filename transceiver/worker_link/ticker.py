"""When the writer of a stream should look at its outbox."""

import asyncio


class Ticker:
    """Wakes one waiter at once or, by `wake_at_tick`, an interval after it last woke. The `Waker` of a running loop.

    So what comes seldom does not wait, and what comes all the time shares a wake-up each interval.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._due = asyncio.Event()
        self._tick: asyncio.TimerHandle | None = None
        self._woken_at = 0.0

    def wake_now(self) -> None:
        """Something should leave at once."""
        self._due.set()

    def wake_at_tick(self) -> None:
        """Something should leave when the tick comes; at once if that is past."""
        if self._tick is not None or self._due.is_set():
            return
        loop = asyncio.get_running_loop()
        wait_s = self._woken_at + self._interval_s - loop.time()
        if wait_s > 0:
            self._tick = loop.call_later(wait_s, self._due.set)
        else:
            self._due.set()

    async def wait(self) -> None:
        """Returns when something is due, and forgets the tick that it replaced."""
        await self._due.wait()
        self._due.clear()
        self._woken_at = asyncio.get_running_loop().time()
        self.cancel()

    def cancel(self) -> None:
        """Forgets a running tick."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
