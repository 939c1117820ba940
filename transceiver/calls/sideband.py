"""A server that listens to a call from beside, and steers it: what it sends acts as what the client sends does."""

from transceiver.calls.event_feed import numbered
from transceiver.calls.event_socket import EventSocket
from transceiver.calls.realtime_side import RealtimeSide
from transceiver.session.actions import CloseReason


class Sideband:
    """One server's connection to a call that is another's, which it listens to from now on. Implements Observer.

    It may come and go: the call neither waits for it nor ends with it.

    Args:
        socket: carries its events.
        starting_after: it wants events numbered, and first those after this number; None: neither.

    Raises:
        TooManyObservers: there is no room.
    """

    def __init__(self, realtime: RealtimeSide, socket: EventSocket, starting_after: int | None) -> None:
        self._realtime = realtime
        self._socket = socket
        self._is_numbered = starting_after is not None
        realtime.attach(self, starting_after)

    def client_text(self, text: str) -> None:
        """One event of the server's."""
        self._realtime.client_text(text, origin=self)

    async def ready(self) -> None:
        """It may always be read: it sends no audio."""

    def left(self) -> None:
        """It is gone."""
        self._realtime.detach(self)

    # Observer

    def observe(self, event: str, sequence: int | None) -> None:
        """Passes an event on."""
        self._socket.send(event if sequence is None or not self._is_numbered else numbered(event, sequence))

    def call_over(self, reason: CloseReason) -> None:
        """Says goodbye."""
        self._socket.end(reason)
