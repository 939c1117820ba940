"""The `oai-events` data channel of a call: JSON events, one per text message.

The client opens it (the Realtime API's convention). The channel is here, SCTP is in `session.data_channel`, DTLS in the
session; this module carries bytes between them and keeps SCTP's timer.
"""

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

import structlog

from transceiver.hub import SessionHub
from transceiver.session.data_channel_events import ChannelClosed, ChannelError, ChannelOpened
from transceiver.session.sctp import open_data_channels
from transceiver.session.session import Session

if TYPE_CHECKING:
    # At run time only through open_data_channels: the module needs the native one.
    from transceiver.session.data_channel import DataChannels

_log = structlog.get_logger(__name__)

LABEL = "oai-events"
MAX_WAITING = 64
"""Events that wait for the client to open the channel: those of a greeting, which is mostly said before."""


class EventChannel:
    """One call's event channel.

    While the client has no such channel open, the last MAX_WAITING events wait (drop_oldest). Events that a client with
    an open channel does not read are dropped.

    Args:
        hub, session: carry SCTP packets.
    """

    def __init__(self, hub: SessionHub, session: Session) -> None:
        self._hub = hub
        self._session = session
        self._channels: DataChannels | None = None
        self._waiting: deque[str] = deque(maxlen=MAX_WAITING)
        self._channel_id: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def is_open(self) -> bool:
        """Whether the client has the channel open."""
        return self._channel_id is not None

    def connected(self, now: float) -> None:
        """DTLS is up: SCTP may begin. `now` is in monotonic seconds."""
        self._channels = open_data_channels(dtls_client=self._session.is_dtls_client, now=now)

    def receive(self, datagram: bytes, now: float) -> None:
        """An SCTP packet of the client."""
        if self._channels is not None:
            self._channels.receive(datagram, now)
            self._progress(self._channels, now)

    def send_event(self, event: str, now: float) -> None:
        """Sends one event as a text message."""
        self._waiting.append(event)
        if self._channels is not None:
            self._send_waiting(self._channels)
            self._progress(self._channels, now)

    def close(self) -> None:
        """Ends the timer for good; the DTLS connection below is gone."""
        self._closed = True
        self._disarm()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send_waiting(self, channels: "DataChannels") -> None:
        while self._channel_id is not None and self._waiting:
            try:
                channels.send_text(self._channel_id, self._waiting.popleft())
            except ChannelError as error:
                _log.info("event not sent", call=self._session.call_id, why=str(error))

    def _progress(self, channels: "DataChannels", now: float) -> None:
        for event in channels.take_events():
            if isinstance(event, ChannelOpened) and event.label == LABEL:
                self._channel_id = event.channel_id
                self._send_waiting(channels)
            elif isinstance(event, ChannelClosed) and event.channel_id == self._channel_id:
                self._channel_id = None
        for packet in channels.take_datagrams():
            self._hub.send_application_data(self._session, packet, now)
        self._arm(channels, now)

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
