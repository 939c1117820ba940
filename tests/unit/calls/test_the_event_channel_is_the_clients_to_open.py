"""The event channel: opened by the client, told of, and apart from any other channel."""

import time
from typing import cast

import pytest

from transceiver.calls.event_channel import EventChannel
from transceiver.hub import HubCounters, SessionHub
from transceiver.session.data_channel_events import ChannelLimits, MessageReceived
from transceiver.session.session import Session

datapath = pytest.importorskip("offhook_datapath", reason="the native module is not built here")


class Wire:
    """Stands for hub and session: SCTP packets of the channel, straight to a client's association."""

    call_id = "rtc_test"
    is_dtls_client = True
    peer_max_message_bytes = None

    def __init__(self) -> None:
        # Here and not above: the module needs the native one.
        from transceiver.session.data_channel import DataChannels  # noqa: PLC0415 - see the line above

        limits = ChannelLimits()
        association = datapath.SctpAssociation(
            client=True,
            max_message_bytes=limits.max_message_bytes,
            max_buffered_bytes=limits.max_buffered_bytes,
            now=time.monotonic(),
        )
        self.client = DataChannels(association, dtls_client=False, limits=limits)
        self.counters = HubCounters()
        self.heard: list[MessageReceived] = []
        self.answers = False
        self.channel = EventChannel(
            cast("SessionHub", self), cast("Session", self), opened=self._open, heard=self._hear
        )
        self.events: list[str | bytes] = []
        self._packets: list[bytes] = []

    def send_application_data(self, _session: Session, packet: bytes, _now: float) -> None:
        """What the channel asks of the hub."""
        self._packets.append(packet)

    def _open(self) -> None:
        self.channel.send_event("welcome", time.monotonic())

    def _hear(self, message: MessageReceived) -> None:
        self.heard.append(message)
        if self.answers:
            self.channel.send_message(message.channel_id, message.data, time.monotonic())

    def settle(self) -> None:
        """Carries packets both ways until none is left."""
        while (up := self.client.take_datagrams()) or self._packets:
            for packet in up:
                self.channel.receive(packet, time.monotonic())
            down, self._packets = self._packets, []
            for packet in down:
                self.client.receive(packet, time.monotonic())
        self.events += [event.data for event in self.client.take_events() if isinstance(event, MessageReceived)]


async def test_who_is_told_that_the_channel_is_open_can_send_at_once() -> None:
    wire = Wire()
    wire.channel.send_event("before DTLS", time.monotonic())
    wire.channel.connected(time.monotonic())
    wire.settle()
    wire.channel.send_event("before the channel", time.monotonic())
    assert wire.channel.channel_id is None
    channel_id = wire.client.open("oai-events")
    wire.settle()
    assert wire.channel.channel_id == channel_id
    wire.channel.send_event("after", time.monotonic())
    wire.settle()
    wire.channel.close()
    assert wire.events == ["welcome", "after"]


async def test_another_channel_hears_nothing() -> None:
    wire = Wire()
    wire.channel.connected(time.monotonic())
    wire.channel.send_event("private", time.monotonic())
    wire.settle()
    wire.client.open("other")
    wire.settle()
    wire.channel.close()
    assert wire.channel.channel_id is None
    assert wire.events == []


async def test_what_the_client_says_on_any_channel_is_heard_and_can_be_answered_at_once() -> None:
    wire = Wire()
    wire.channel.connected(time.monotonic())
    wire.settle()
    channel_id = wire.client.open("other")
    wire.answers = True
    said: list[str | bytes] = ["text", b"\x00binary", "", b""]
    for message in said:
        if isinstance(message, str):
            wire.client.send_text(channel_id, message)
        else:
            wire.client.send_binary(channel_id, message)
    wire.settle()
    wire.channel.close()
    assert wire.heard == [MessageReceived(channel_id, message) for message in said]
    assert wire.events == said
