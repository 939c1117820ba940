"""When the writer of a stream should look at its outbox."""

import asyncio


class Ticker:
    """Wakes one waiter at once, or one interval after the first `wake_at_tick`. The `Waker` of a running event loop."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._due = asyncio.Event()
        self._tick: asyncio.TimerHandle | None = None

    def wake_now(self) -> None:
        """Something should leave at once."""
        self._due.set()

    def wake_at_tick(self) -> None:
        """Something should leave when the tick comes, which starts here if none runs."""
        if self._tick is None:
            self._tick = asyncio.get_running_loop().call_later(self._interval_s, self._due.set)

    async def wait(self) -> None:
        """Returns when something is due, and forgets the tick that it replaced."""
        await self._due.wait()
        self._due.clear()
        self.cancel()

    def cancel(self) -> None:
        """Forgets a running tick."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
