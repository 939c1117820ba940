"""The Realtime API's events as a client of a running fabric reads and sends them, over real DTLS and SCTP."""

import json
import time
from typing import Any

import pytest

from tests.support.live_caller import LiveCaller
from tests.support.openai_events import check_server_event
from transceiver.session.data_channel_events import ChannelClosed, ChannelLimits, ChannelOpened, MessageReceived

datapath = pytest.importorskip("offhook_datapath", reason="the native module is not built here")


class EventReader:
    """The client's end of `oai-events`, driven by the caller's own loop. Opens the channel as soon as it can."""

    def __init__(self, caller: LiveCaller) -> None:
        # Here and not above: the module needs the native one.
        from transceiver.session.data_channel import DataChannels  # noqa: PLC0415 - see the line above

        limits = ChannelLimits()
        association = datapath.SctpAssociation(
            client=True,
            max_message_bytes=limits.max_message_bytes,
            max_buffered_bytes=limits.max_buffered_bytes,
            now=time.monotonic(),
        )
        self._channels = DataChannels(association, dtls_client=False, limits=limits)
        self._caller = caller
        self._channel_id: int | None = None
        self.closed = False
        self.events: list[dict[str, Any]] = []
        """All that has come. Each was held against the official SDK's models."""
        self._read = 0

    @property
    def opened(self) -> bool:
        """Whether the client has asked for its channel."""
        return self._channel_id is not None

    def send(self, kind: str, **fields: object) -> None:
        """Sends an event."""
        assert self._channel_id is not None
        self._channels.send_text(self._channel_id, json.dumps({"type": kind, **fields}))
        self.progress()

    async def event(self, kind: str, *, within_s: float = 15.0) -> dict[str, Any]:
        """The next event of this kind that was not returned before; those before it are passed over."""
        try:
            await self._caller.until(lambda: self.progress() and self._find(kind) is not None, kind, within_s=within_s)
        except AssertionError as error:
            came = [event["type"] for event in self.events[self._read :]]
            raise AssertionError(f"{error}; instead came {came}") from None
        index = self._find(kind)
        assert index is not None
        self._read = index + 1
        return self.events[index]

    def _find(self, kind: str) -> int | None:
        found = (index for index in range(self._read, len(self.events)) if self.events[index]["type"] == kind)
        return next(found, None)

    def progress(self) -> bool:
        """Moves what has arrived and what is due; True, so that it can be part of a condition."""
        dtls = self._caller.client.dtls
        assert dtls is not None
        for data in dtls.application_data:
            self._channels.receive(data, time.monotonic())
        dtls.application_data.clear()
        if self._channels.connected and self._channel_id is None:
            self._channel_id = self._channels.open("oai-events")
        for datagram in self._channels.take_datagrams():
            self._caller.client.send_application_data(datagram)
        for event in self._channels.take_events():
            if isinstance(event, MessageReceived):
                received = json.loads(event.data)
                check_server_event(received)
                self.events.append(received)
            elif isinstance(event, ChannelClosed):
                self.closed = True
            else:
                assert isinstance(event, ChannelOpened)
        self._caller.flush()
        return True
