"""What the fabric tells a caller on the `oai-events` data channel, over real DTLS and SCTP."""

import asyncio
import json
import time
from typing import Any

import pytest

from tests.support.fabric import running_fabric
from tests.support.live_caller import LiveCaller
from tests.support.webrtc_client import ClientOptions
from transceiver.session.data_channel_events import ChannelClosed, ChannelLimits, ChannelOpened, MessageReceived

datapath = pytest.importorskip("offhook_datapath", reason="the native module is not built here")


class EventReader:
    """The client's end of the channel, driven by the caller's own loop."""

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
        self.opened = False
        self.closed = False
        self.events: list[dict[str, Any]] = []

    def progress(self) -> bool:
        """Moves what has arrived and what is due; True, so that it can be part of a condition."""
        dtls = self._caller.client.dtls
        assert dtls is not None
        for data in dtls.application_data:
            self._channels.receive(data, time.monotonic())
        dtls.application_data.clear()
        if self._channels.connected and not self.opened:
            self._channels.open("oai-events")
            self.opened = True
        for datagram in self._channels.take_datagrams():
            self._caller.client.send_application_data(datagram)
        for event in self._channels.take_events():
            if isinstance(event, MessageReceived):
                self.events.append(json.loads(event.data))
            elif isinstance(event, ChannelClosed):
                self.closed = True
            else:
                assert isinstance(event, ChannelOpened)
        self._caller.flush()
        return True


async def test_a_caller_reads_why_the_call_ends_when_its_worker_dies() -> None:
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "1") as fabric:
        async with LiveCaller(fabric, ClientOptions(data_channel=True)) as caller:
            await caller.call()
            reader = EventReader(caller)
            caller.speak()
            await caller.until(lambda: reader.progress() and reader.opened and len(caller.heard) > 50, "the channel")
            (worker,) = await asyncio.to_thread(fabric.processes, "worker")
            fabric.kill(worker)
            await caller.until(lambda: reader.progress() and bool(reader.events), "an event", within_s=2.0)
            (event,) = reader.events
            assert event["type"] == "error"
            assert event["error"]["code"] == "worker_lost"
            assert event["event_id"]
            dtls = caller.client.dtls
            assert dtls is not None
            await caller.until(lambda: dtls.closed_by_remote, "an orderly end", within_s=2.0)
