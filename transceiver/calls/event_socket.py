"""The seam between a connection that carries events and what they are about."""

from typing import Protocol

from transceiver.session.actions import CloseReason


class EventSocket(Protocol):
    """What carries the events. Nothing blocks."""

    def send(self, event: str) -> None:
        """Sends one event."""

    def end(self, reason: CloseReason) -> None:
        """Sends what is queued, then says goodbye."""


class SocketUser(Protocol):
    """What the events are about: a session of its own, or a call that is listened to."""

    def client_text(self, text: str) -> None:
        """One event of the other end's."""

    async def ready(self) -> None:
        """Returns when the other end may be read again."""

    def left(self) -> None:
        """The other end has gone, or is too slow."""
