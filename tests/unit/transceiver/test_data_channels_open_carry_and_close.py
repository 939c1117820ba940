"""Data channels between two endpoints over a virtual path: RFC 8831 and RFC 8832 as seen by their owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from offhook_datapath import SctpAssociation

from transceiver.sdp.answer import MAX_MESSAGE_SIZE
from transceiver.session.data_channel import DataChannels
from transceiver.session.data_channel_events import (
    AssociationClosed,
    ChannelClosed,
    ChannelError,
    ChannelLimits,
    ChannelOpened,
    MessageReceived,
)
from transceiver.session.dcep import OpenMessage, encode_open
from transceiver.session.sctp import data_channels_supported, open_data_channels

if TYPE_CHECKING:
    from transceiver.session.data_channel_events import ChannelEvent

LIMITS = ChannelLimits(max_channels=2, max_message_bytes=10_000, max_buffered_bytes=20_000, max_label_bytes=32)


class Path:
    """A browser-like client and the endpoint under test, joined by a path that loses nothing."""

    def __init__(self) -> None:
        self.now = 100.0
        self.raw = SctpAssociation(client=True, max_message_bytes=65_536, max_buffered_bytes=262_144, now=self.now)
        self.client = DataChannels(self.raw, dtls_client=False, limits=ChannelLimits())
        self.server = open_data_channels(dtls_client=True, now=self.now, limits=LIMITS)
        self.client_events: list[ChannelEvent] = []
        self.server_events: list[ChannelEvent] = []
        self.run()
        assert self.client.connected
        assert self.server.connected

    def run(self) -> None:
        """Delivers packets until none is left."""
        moved = True
        while moved:
            moved = False
            for source, target in ((self.client, self.server), (self.server, self.client)):
                for datagram in source.take_datagrams():
                    target.receive(datagram, self.now)
                    moved = True
            self.client_events += self.client.take_events()
            self.server_events += self.server.take_events()

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Moves the clock from timer to timer until `condition` holds."""
        self.run()
        for _ in range(100):
            if condition():
                return
            timeouts = [t for t in (self.client.next_timeout(), self.server.next_timeout()) if t is not None]
            assert timeouts, "nothing is left to happen"
            self.now = max(self.now, min(timeouts))
            self.client.handle_timeout(self.now)
            self.server.handle_timeout(self.now)
            self.run()
        raise AssertionError("the condition never held")


@pytest.fixture
def path() -> Path:
    return Path()


def test_support_is_reported_where_the_native_module_is_installed() -> None:
    assert data_channels_supported()


def test_a_client_opens_a_channel_and_both_sides_talk(path: Path) -> None:
    channel_id = path.client.open("oai-events")
    assert channel_id == 1
    path.client.send_text(channel_id, '{"type":"session.update"}')
    path.run()
    assert path.server_events == [
        ChannelOpened(1, "oai-events", ""),
        MessageReceived(1, '{"type":"session.update"}'),
    ]
    path.server.send_text(1, "grüß dich")
    path.server.send_text(1, "")
    path.server.send_binary(1, b"\x00\xff")
    path.server.send_binary(1, b"")
    path.run()
    assert path.client_events == [
        ChannelOpened(1, "oai-events", ""),
        *(MessageReceived(1, data) for data in ("grüß dich", "", b"\x00\xff", b"")),
    ]


def test_this_side_opens_channels_with_ids_of_its_dtls_role(path: Path) -> None:
    assert [path.server.open("a", protocol="p"), path.server.open("b")] == [0, 2]
    path.run()
    assert path.client_events == [ChannelOpened(0, "a", "p"), ChannelOpened(2, "b", "")]
    assert path.server_events == [ChannelOpened(0, "a", "p"), ChannelOpened(2, "b", "")]
    with pytest.raises(ChannelError, match="in use"):
        path.server.open("c")


def test_messages_wait_behind_an_unordered_open(path: Path) -> None:
    channel_id = path.client.open("fast", ordered=False)
    path.client.send_text(channel_id, "first")
    path.run()
    path.client.send_text(channel_id, "second")
    path.run()
    assert path.server_events[1:] == [MessageReceived(channel_id, "first"), MessageReceived(channel_id, "second")]


def test_a_closed_channel_ends_on_both_sides_and_its_id_is_free_again(path: Path) -> None:
    channel_id = path.client.open("x")
    path.client.send_text(channel_id, "last")
    path.run()
    path.server.close_channel(channel_id)
    path.run_until(lambda: ChannelClosed(channel_id, "x") in path.client_events)
    path.run_until(lambda: ChannelClosed(channel_id, "x") in path.server_events)
    with pytest.raises(ChannelError, match="not open"):
        path.server.send_text(channel_id, "late")
    path.run_until(lambda: path.client.next_timeout() is None and path.server.next_timeout() is None)
    assert path.client.open("y") == channel_id
    path.run()
    assert path.server_events[-1] == ChannelOpened(channel_id, "y", "")


def test_an_orderly_close_reports_every_channel_and_then_the_end(path: Path) -> None:
    path.client.open("x")
    path.run()
    path.client.close()
    path.run_until(lambda: any(isinstance(event, AssociationClosed) for event in path.server_events))
    assert path.server_events[1] == ChannelClosed(1, "x")
    end = path.server_events[2]
    assert isinstance(end, AssociationClosed)
    assert end.by_peer
    path.run_until(lambda: isinstance(path.client_events[-1], AssociationClosed))
    assert path.client_events[-1] == AssociationClosed("shut down", by_peer=False)
    assert not path.server.connected
    with pytest.raises(ChannelError):
        path.server.open("y")


def test_channels_beyond_the_limit_are_closed_unopened(path: Path) -> None:
    ids = [path.client.open(f"channel {n}") for n in range(3)]
    path.run_until(lambda: ChannelClosed(ids[2], "channel 2") in path.client_events)
    assert path.server_events == [ChannelOpened(ids[n], f"channel {n}", "") for n in range(2)]
    assert path.server.dropped == 1


@pytest.mark.parametrize(
    ("ppid", "data"),
    [
        (50, b"\x09"),
        (50, encode_open(OpenMessage("x"))[:-1]),
        (50, b"\x03\x55" + bytes(10)),
        (50, b"\x03\x00" + bytes(6) + b"\x00\x01\x00\x00\xff"),
        (50, encode_open(OpenMessage("a label far longer than thirty-two bytes"))),
        (51, b"no channel was opened here"),
    ],
)
def test_what_makes_no_sense_is_counted_and_its_stream_closed(path: Path, ppid: int, data: bytes) -> None:
    path.raw.open_stream(5)
    path.raw.send(5, ppid, data)
    path.run_until(lambda: path.server.dropped == 1)
    path.run_until(lambda: path.raw.state == "connected" and path.server.next_timeout() is None)
    with pytest.raises(ChannelError):
        path.server.buffered_amount(5)
    assert path.server_events == []


def test_text_that_is_not_utf8_closes_its_channel(path: Path) -> None:
    channel_id = path.client.open("x")
    path.raw.send(channel_id, 51, b"\xff\xfe")
    path.run_until(lambda: ChannelClosed(channel_id, "x") in path.client_events)
    assert path.server.dropped == 1


def test_a_stray_acknowledgement_is_counted(path: Path) -> None:
    channel_id = path.client.open("x")
    path.raw.send(channel_id, 50, b"\x02")
    path.run()
    assert path.server.dropped == 1
    assert path.server_events == [ChannelOpened(channel_id, "x", "")]


def test_sending_is_bounded(path: Path) -> None:
    channel_id = path.client.open("x")
    path.run()
    with pytest.raises(ChannelError, match="largest message"):
        path.server.send_binary(channel_id, bytes(10_001))
    path.server.send_binary(channel_id, bytes(10_000))
    # The acknowledgement of the channel is still on its way and takes a byte of the buffer.
    with pytest.raises(ChannelError, match="full"):
        path.server.send_binary(channel_id, bytes(10_000))
    assert path.server.buffered_amount(channel_id) > 0
    path.run_until(lambda: path.server.buffered_amount(channel_id) == 0)


def test_a_message_as_long_as_our_answers_announce_arrives() -> None:
    now = 100.0
    raw = SctpAssociation(client=True, max_message_bytes=MAX_MESSAGE_SIZE, max_buffered_bytes=1 << 20, now=now)
    client = DataChannels(raw, dtls_client=False, limits=ChannelLimits())
    server = open_data_channels(dtls_client=True, now=now, peer_max_message_bytes=1000)
    path = Path.__new__(Path)
    path.now, path.raw, path.client, path.server = now, raw, client, server
    path.client_events, path.server_events = [], []
    path.run()
    channel_id = client.open("x")
    longest = bytes(MAX_MESSAGE_SIZE)
    client.send_binary(channel_id, longest)
    path.run_until(lambda: MessageReceived(channel_id, longest) in path.server_events)
    # And nothing goes out that is longer than the client's offer allows.
    server.send_binary(channel_id, bytes(1000))
    with pytest.raises(ChannelError, match="more than the peer takes"):
        server.send_binary(channel_id, bytes(1001))
