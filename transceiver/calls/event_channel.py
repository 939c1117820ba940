"""The `oai-events` data channel of a call: JSON events, one per text message.

The client opens it (the Realtime API's convention). The channel is here, SCTP is in `session.data_channel`, DTLS in the
session; this module carries bytes between them and keeps SCTP's timer.
"""

import asyncio
import time
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


class EventChannel:
    """One call's event channel, from the moment its DTLS is up.

    Events are dropped while the client has no such channel open or does not read it.

    Args:
        hub, session: carry SCTP packets.
        now: monotonic seconds.
    """

    def __init__(self, hub: SessionHub, session: Session, now: float) -> None:
        self._hub = hub
        self._session = session
        self._channels: DataChannels = open_data_channels(dtls_client=session.is_dtls_client, now=now)
        self._channel_id: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def receive(self, datagram: bytes, now: float) -> None:
        """An SCTP packet of the client."""
        self._channels.receive(datagram, now)
        self._progress(now)

    def send_event(self, event: str, now: float) -> None:
        """Sends one event as a text message."""
        if self._channel_id is None:
            return
        try:
            self._channels.send_text(self._channel_id, event)
        except ChannelError as error:
            _log.info("event not sent", call=self._session.call_id, why=str(error))
        self._progress(now)

    def close(self) -> None:
        """Ends the timer for good; the DTLS connection below is gone."""
        self._closed = True
        self._disarm()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _progress(self, now: float) -> None:
        for packet in self._channels.take_datagrams():
            self._hub.send_application_data(self._session, packet, now)
        for event in self._channels.take_events():
            if isinstance(event, ChannelOpened) and event.label == LABEL:
                self._channel_id = event.channel_id
            elif isinstance(event, ChannelClosed) and event.channel_id == self._channel_id:
                self._channel_id = None
        self._arm(now)

    def _arm(self, now: float) -> None:
        self._disarm()
        timeout = self._channels.next_timeout()
        # What was just sent may have ended the session.
        if timeout is not None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, timeout - now), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = time.monotonic()
        self._channels.handle_timeout(now)
        self._progress(now)
