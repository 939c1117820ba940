"""The `oai-events` data channel of a call: JSON events, one per text message.

The client opens it (the Realtime API's convention). The channel is here, SCTP is in `session.data_channel`, DTLS in the
session; this module carries bytes between them and keeps SCTP's timer. What the client says on this channel or on any
other is passed on.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from transceiver.hub import SessionHub
from transceiver.session.actions import CloseReason
from transceiver.session.data_channel_events import (
    AssociationClosed,
    ChannelClosed,
    ChannelError,
    ChannelEvent,
    ChannelOpened,
    MessageReceived,
)
from transceiver.session.sctp import open_data_channels
from transceiver.session.session import Session
from wire.drop import DropReason

if TYPE_CHECKING:
    # At run time only through open_data_channels: the module needs the native one.
    from transceiver.session.data_channel import DataChannels

_log = structlog.get_logger(__name__)

LABEL = "oai-events"


class EventChannel:
    """One call's event channel.

    Events are dropped while the client has no such channel open, and where one that has it does not read them.

    Args:
        hub, session: carry SCTP packets.
        opened: called when the client has opened the channel.
        heard: called with each message of the client.
    """

    def __init__(
        self,
        hub: SessionHub,
        session: Session,
        *,
        opened: Callable[[], None],
        heard: Callable[[MessageReceived], None],
    ) -> None:
        self._hub = hub
        self._session = session
        self._opened = opened
        self._heard = heard
        self._channels: DataChannels | None = None
        self._channel_id: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._progressing = False
        self._refusing = False
        self._dropped = 0

    @property
    def channel_id(self) -> int | None:
        """The channel; None while the client has none open."""
        return self._channel_id

    def connected(self, now: float) -> None:
        """DTLS is up: SCTP may begin. `now` is in monotonic seconds."""
        self._channels = open_data_channels(
            dtls_client=self._session.is_dtls_client,
            now=now,
            peer_max_message_bytes=self._session.peer_max_message_bytes,
        )

    def receive(self, datagram: bytes, now: float) -> None:
        """An SCTP packet of the client."""
        if self._channels is not None:
            self._channels.receive(datagram, now)
            self._progress(self._channels, now)

    def send_event(self, event: str, now: float) -> None:
        """Sends one event as a text message."""
        if self._channel_id is not None:
            self.send_message(self._channel_id, event, now)

    def send_message(self, channel_id: int, data: str | bytes, now: float) -> None:
        """Sends one message on the channel with this id, if it is open and there is room in its buffer."""
        if self._channels is not None:
            self._send(self._channels, channel_id, data)
            self._progress(self._channels, now)

    def hang_up(self, now: float) -> None:
        """Ends SCTP, by which the client knows that the call ends even if it misses close_notify.

        Not every client can read that one: werift takes the first bytes of the encrypted alert for the alert itself,
        about one in ten of them for a fatal one, and ignores that.
        """
        if self._channels is not None and (packet := self._channels.hang_up()) is not None:
            self._hub.send_application_data(self._session, packet, now)

    def close(self) -> None:
        """Ends the timer for good; the DTLS connection below is gone."""
        self._closed = True
        self._disarm()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self, channels: "DataChannels", channel_id: int, data: str | bytes) -> None:
        try:
            if isinstance(data, str):
                channels.send_text(channel_id, data)
            else:
                channels.send_binary(channel_id, data)
        except ChannelError as error:
            self._hub.counters.drops[DropReason.QUEUE_FULL] += 1
            if not self._refusing:
                # Once, and not for each message to a client that does not read.
                _log.info("message not sent", call=self._session.call_id, why=str(error))
            self._refusing = True
        else:
            self._refusing = False

    def _progress(self, channels: "DataChannels", now: float) -> None:
        if self._progressing:
            # Whoever is told of an event may send at once; the round that told it goes on with that.
            return
        self._progressing = True
        try:
            moving = True
            while moving:
                moving = False
                for event in channels.take_events():
                    self._handle(event)
                    moving = True
                for packet in channels.take_datagrams():
                    self._hub.send_application_data(self._session, packet, now)
                    moving = True
        finally:
            self._progressing = False
        if channels.dropped > self._dropped:
            self._hub.counters.drops[DropReason.REFUSED_DATA] += channels.dropped - self._dropped
            self._dropped = channels.dropped
        self._arm(channels, now)

    def _handle(self, event: ChannelEvent) -> None:
        if isinstance(event, MessageReceived):
            self._heard(event)
        elif isinstance(event, ChannelOpened) and event.label == LABEL:
            self._channel_id = event.channel_id
            self._opened()
        elif isinstance(event, ChannelClosed) and event.channel_id == self._channel_id:
            self._channel_id = None
        elif isinstance(event, AssociationClosed) and event.by_peer:
            # Some clients leave with this word only (libdatachannel); without it they would be missed after 30 s.
            self._hub.close(self._session, CloseReason.CLIENT_CLOSED, time.monotonic())

    def _arm(self, channels: "DataChannels", now: float) -> None:
        self._disarm()
        timeout = channels.next_timeout()
        # What was just sent may have ended the session.
        if timeout is not None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, timeout - now), self._fire, channels)

    def _fire(self, channels: "DataChannels") -> None:
        self._timer = None
        now = time.monotonic()
        channels.handle_timeout(now)
        self._progress(channels, now)
