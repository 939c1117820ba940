"""Calls the hub when its next timeout is due: the hub's only tie to an event loop."""

import asyncio
import time

from transceiver.hub import SessionHub

GRAIN_S = 0.005
"""No timeout of a session is finer, and those of many sessions that fall into it share one wake-up."""


class HubTimer:
    """One `call_later` for all sessions. Its `arm` is what the hub's constructor wants.

    Must be created within the running loop, and attached to the hub before time passes.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._hub: SessionHub | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._when = float("inf")

    def attach(self, hub: SessionHub) -> None:
        """Names the hub."""
        self._hub = hub

    def arm(self, when: float) -> None:
        """Sees to it that the hub is called at `when` (`time.monotonic()`), before, or GRAIN_S after."""
        if when >= self._when:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._when = when
        self._handle = self._loop.call_later(max(GRAIN_S, when - time.monotonic()), self._fire)

    def cancel(self) -> None:
        """Stops; for the end of the process."""
        if self._handle is not None:
            self._handle.cancel()

    def _fire(self) -> None:
        self._handle, self._when = None, float("inf")
        if self._hub is None:
            return
        try:
            self._hub.handle_timeout(time.monotonic())
        finally:
            # Whatever a listener did wrong, the other sessions go on.
            following = self._hub.next_timeout()
            if following is not None:
                self.arm(following)
