"""A call's server events on their way to whoever reads them: the client, observers, and the log for later ones."""

from collections import deque
from typing import Final, Protocol

from transceiver.realtime.schema import server_events
from transceiver.realtime.sizing import fit
from transceiver.realtime.transport import WEBSOCKET, Transport
from transceiver.session.actions import CloseReason

MAX_WAITING: Final = 512
"""Events that wait for the client to open its channel (drop_oldest): those of a greeting, mostly said before."""
MAX_LOGGED: Final = 1024
MAX_LOGGED_BYTES: Final = 256 * 1024
"""Of events that a later observer may still read, the oldest go first; so 256 MiB for a thousand calls at the most."""
MAX_OBSERVERS: Final = 8


class EventReader(Protocol):
    """The client's own channel. As in `ClientSide`."""

    @property
    def may_have_events(self) -> bool:
        """Whether it may open a channel for them."""

    @property
    def event_channel_id(self) -> int | None:
        """That channel; None while none is open."""

    def send_event(self, event: str) -> None:
        """Sends one."""


class Observer(Protocol):
    """Somebody else who reads along. Nothing blocks."""

    def observe(self, event: str, sequence: int | None) -> None:
        """One event as JSON text; its number in the call, if it is one that all get."""

    def call_over(self, reason: CloseReason) -> None:
        """The call has ended."""


class TooManyObservers(Exception):
    """The call has MAX_OBSERVERS."""


class EventFeed:
    """Numbers a call's events, sends them to all, and keeps the last ones.

    Args:
        transport: the client's. Where its events carry audio nobody else reads them, and none are kept.
    """

    def __init__(self, client: EventReader, transport: Transport) -> None:
        self._client = client
        self._transport = transport
        self._waiting: deque[str] | None = deque(maxlen=MAX_WAITING) if client.may_have_events else None
        self._observers: list[Observer] = []
        self._log = EventLog()

    def opened(self) -> list[str]:
        """The client can read from now on: what has waited for that, to be sent after its greeting."""
        waiting, self._waiting = self._waiting or (), None
        return list(waiting)

    def send(self, event: server_events.Event) -> None:
        """One event for all."""
        if self._transport.carries_audio:
            self.tell_client(event)
            return
        text = fit(event, WEBSOCKET.max_event_bytes)
        sequence = self._log.append(text)
        for observer in tuple(self._observers):
            observer.observe(text, sequence)
        self._to_client(text if len(text) <= self._transport.max_event_bytes else self._fit(event))

    def tell_client(self, event: server_events.Event) -> None:
        """One event for the client alone."""
        if self._waiting is not None or self._client.event_channel_id is not None:
            self._to_client(self._fit(event))

    def attach(self, observer: Observer, greeting: server_events.Event, starting_after: int | None) -> None:
        """Sends all events to this observer, too, from now on.

        Args:
            greeting: what it gets first.
            starting_after: number of the last event that it has; those after it come first, as far as they are kept.

        Raises:
            TooManyObservers: there is no room.
        """
        if len(self._observers) >= MAX_OBSERVERS:
            raise TooManyObservers
        self._observers.append(observer)
        tell(observer, greeting)
        if starting_after is not None:
            if starting_after + 1 < self._log.first_kept:
                tell(observer, _lost(self._log.first_kept))
            for sequence, text in self._log.after(starting_after):
                observer.observe(text, sequence)

    def detach(self, observer: Observer) -> None:
        """It reads no more. Harmless for one that is not attached."""
        if observer in self._observers:
            self._observers.remove(observer)

    def close(self, reason: CloseReason) -> None:
        """The call is over."""
        observers, self._observers = self._observers, []
        for observer in observers:
            observer.call_over(reason)

    def _fit(self, event: server_events.Event) -> str:
        return fit(event, self._transport.max_event_bytes)

    def _to_client(self, text: str) -> None:
        if self._waiting is not None:
            self._waiting.append(text)
        elif self._client.event_channel_id is not None:
            self._client.send_event(text)


def tell(observer: Observer, event: server_events.Event) -> None:
    """One event for one observer alone."""
    observer.observe(fit(event, WEBSOCKET.max_event_bytes), None)


class EventLog:
    """The last events of a call, numbered from 1; bounded in number and bytes, the oldest go first."""

    def __init__(self, max_events: int = MAX_LOGGED, max_bytes: int = MAX_LOGGED_BYTES) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._kept: deque[str] = deque()
        self._kept_bytes = 0
        self._last = 0

    @property
    def first_kept(self) -> int:
        """Number of the oldest event that is kept; of the next event if none is."""
        return self._last - len(self._kept) + 1

    def append(self, text: str) -> int:
        """Keeps an event (ASCII); its number."""
        self._last += 1
        self._kept.append(text)
        self._kept_bytes += len(text)
        while len(self._kept) > self._max_events or self._kept_bytes > self._max_bytes:
            self._kept_bytes -= len(self._kept.popleft())
        return self._last

    def after(self, sequence: int) -> list[tuple[int, str]]:
        """Those kept with higher numbers."""
        first = self.first_kept
        skipped = max(0, sequence - first + 1)
        return [(first + index, text) for index, text in enumerate(self._kept) if index >= skipped]


def numbered(text: str, sequence: int) -> str:
    """An event's JSON text with its number in it, for observers that asked for numbers."""
    return f'{text[:-1]}, "sequence_number": {sequence}}}'


def _lost(first_kept: int) -> server_events.Event:
    message = f"Events before number {first_kept} are no longer kept."
    return server_events.error(kind="server_error", code="events_not_kept", message=message, param="starting_after")
