"""Data channels against werift, an implementation of SCTP and DCEP that shares no code with ours."""

from __future__ import annotations

import asyncio
import shutil
import struct
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from transceiver.session.data_channel_events import ChannelClosed, ChannelEvent, ChannelOpened, MessageReceived
from transceiver.session.sctp import data_channels_supported, open_data_channels

HERE = Path(__file__).parent
DEADLINE_S = 20

pytestmark = [
    pytest.mark.skipif(not data_channels_supported(), reason="the native module is not built here"),
    pytest.mark.skipif(shutil.which("node") is None, reason="no node here"),
    pytest.mark.skipif(not (HERE / "node_modules" / "werift").is_dir(), reason="werift is not installed here"),
]


class Conversation:
    """Our data channels and werift's, joined by the peer process's pipes."""

    def __init__(self, peer: Process) -> None:
        self._peer = peer
        self._clock = asyncio.get_running_loop().time
        self.channels = open_data_channels(dtls_client=True, now=self._clock())
        self.events: list[ChannelEvent] = []
        self._reading = asyncio.ensure_future(self._read_packet())

    async def run_until(self, condition: Callable[[], bool]) -> None:
        """Exchanges packets until `condition` holds."""
        async with asyncio.timeout(DEADLINE_S):
            self._flush()
            while not condition():
                await self._receive_or_time_out()
                self._flush()

    async def _receive_or_time_out(self) -> None:
        timeout_at = self.channels.next_timeout()
        wait_s = None if timeout_at is None else max(0.0, timeout_at - self._clock())
        await asyncio.wait([self._reading], timeout=wait_s)
        if self._reading.done():
            self.channels.receive(self._reading.result(), self._clock())
            self._reading = asyncio.ensure_future(self._read_packet())
        else:
            self.channels.handle_timeout(self._clock())

    def stop_reading(self) -> None:
        """Ends the wait for a packet that nobody will look at."""
        self._reading.cancel()

    async def _read_packet(self) -> bytes:
        assert self._peer.stdout is not None
        (length,) = struct.unpack("!H", await self._peer.stdout.readexactly(2))
        return await self._peer.stdout.readexactly(length)

    def _flush(self) -> None:
        assert self._peer.stdin is not None
        for datagram in self.channels.take_datagrams():
            self._peer.stdin.write(struct.pack("!H", len(datagram)) + datagram)
        self.events += self.channels.take_events()


@asynccontextmanager
async def _conversation() -> AsyncIterator[Conversation]:
    peer = await asyncio.create_subprocess_exec(
        "node", HERE / "werift_sctp_peer.mjs", stdin=PIPE, stdout=PIPE, cwd=HERE
    )
    assert peer.stdin is not None
    conversation = Conversation(peer)
    try:
        yield conversation
    finally:
        # The peer ends with its input.
        conversation.stop_reading()
        peer.stdin.close()
        async with asyncio.timeout(DEADLINE_S):
            await peer.communicate()


async def test_a_werift_channel_carries_text_and_binary_both_ways() -> None:
    async with _conversation() as talk:
        await talk.run_until(lambda: bool(talk.events))
        opened = talk.events[0]
        assert isinstance(opened, ChannelOpened)
        assert opened.label == "oai-events"
        sent: list[str | bytes] = ["hello", "grüß dich", b"\x00\x01", bytes(range(256)) * 200]
        for data in sent:
            if isinstance(data, str):
                talk.channels.send_text(opened.channel_id, data)
            else:
                talk.channels.send_binary(opened.channel_id, data)
        await talk.run_until(lambda: len(talk.events) == 1 + len(sent))
        assert talk.events[1:] == [MessageReceived(opened.channel_id, data) for data in sent]
        assert talk.channels.dropped == 0


async def test_werift_accepts_a_channel_of_ours_and_closes_it() -> None:
    async with _conversation() as talk:
        await talk.run_until(lambda: talk.channels.connected)
        channel_id = talk.channels.open("ours")
        talk.channels.send_text(channel_id, "once around")
        await talk.run_until(lambda: MessageReceived(channel_id, "once around") in talk.events)
        assert ChannelOpened(channel_id, "ours", "") in talk.events
        talk.channels.send_text(channel_id, "close")
        await talk.run_until(lambda: ChannelClosed(channel_id, "ours") in talk.events)
