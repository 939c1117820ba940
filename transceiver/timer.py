"""The clock of the hub: the one timer of the event loop that drives all sessions."""

import asyncio
import time

from transceiver.hub import SessionHub


class HubTimer:
    """Calls `hub.handle_timeout` when its earliest timeout is due. `arm` is the hub's callback."""

    def __init__(self) -> None:
        self._hub: SessionHub | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = float("inf")

    def drive(self, hub: SessionHub) -> None:
        """Names the hub; before that nothing is armed."""
        self._hub = hub

    def arm(self, when: float) -> None:
        """Wakes at monotonic time `when`, or earlier if that was asked for before."""
        if when >= self._armed_for:
            return
        self.stop()
        self._armed_for = when
        self._handle = asyncio.get_running_loop().call_later(max(0.0, when - time.monotonic()), self._fire)

    def stop(self) -> None:
        """Disarms."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        self._armed_for = float("inf")

    def _fire(self) -> None:
        self._handle = None
        self._armed_for = float("inf")
        if self._hub is None:
            return
        self._hub.handle_timeout(time.monotonic())
        when = self._hub.next_timeout()
        if when is not None:
            self.arm(when)
