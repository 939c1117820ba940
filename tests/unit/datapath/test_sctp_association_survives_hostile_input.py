"""The Python face of the SCTP association: typed errors for misuse, nothing for a peer's bytes.

The protocol's behaviour is tested in datapath/tests; here is what crosses into Python.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

datapath = pytest.importorskip("offhook_datapath", reason="the native module is not built here")

Association = Any  # offhook_datapath.SctpAssociation, whose module may be missing where this file is collected


def _association(*, client: bool) -> Association:
    return datapath.SctpAssociation(client=client, max_message_bytes=65_536, max_buffered_bytes=262_144, now=5.0)


def _connected_pair() -> tuple[Association, Association]:
    client, server = _association(client=True), _association(client=False)
    while (client.state, server.state) != ("connected", "connected"):
        for source, target in ((client, server), (server, client)):
            for datagram in source.take_datagrams():
                assert target.receive(datagram, 5.0)
    return client, server


def test_a_message_crosses_with_its_ppid() -> None:
    client, server = _connected_pair()
    client.open_stream(7)
    client.send(7, 51, b"hello", max_retransmits=3)
    for datagram in client.take_datagrams():
        server.receive(datagram, 5.1)
    assert server.take_message() == (7, 51, b"hello")
    assert server.take_message() is None


def test_timers_are_on_the_callers_clock() -> None:
    client = _association(client=True)
    first = client.take_datagrams()
    assert client.timeout() == pytest.approx(5.5, abs=0.01)
    client.handle_timeout(5.6)
    assert client.take_datagrams() == first
    assert client.timeout() > 6


@given(st.binary(max_size=3000))
def test_no_bytes_raise_or_close(datagram: bytes) -> None:
    _, server = _connected_pair()
    assert server.receive(datagram, 6.0) is False
    assert server.state == "connected"


def test_misuse_raises_what_the_stub_says() -> None:
    client, _ = _connected_pair()
    client.open_stream(0)
    with pytest.raises(datapath.SctpError, match="in use"):
        client.open_stream(0)
    with pytest.raises(datapath.SctpError, match="not open"):
        client.send(1, 51, b"x")
    with pytest.raises(ValueError, match="at least one byte"):
        client.send(0, 51, b"")
    with pytest.raises(ValueError, match="not used by WebRTC"):
        client.send(0, 52, b"x")
    with pytest.raises(ValueError, match="exclude each other"):
        client.send(0, 51, b"x", max_retransmits=1, lifetime_ms=1)
    with pytest.raises(ValueError, match="finite"):
        client.receive(b"", math.nan)
    for _ in range(4):
        client.send(0, 53, bytes(65_536))
    with pytest.raises(datapath.BufferFull):
        client.send(0, 53, b"one more")
    assert client.state == "connected"


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="max_message_bytes"):
        datapath.SctpAssociation(client=False, max_message_bytes=5000, max_buffered_bytes=4000, now=0.0)


def _crc32c() -> Callable[[bytes], int]:
    table = []
    for number in range(256):
        crc = number
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F6_3B78 if crc & 1 else 0)
        table.append(crc)

    def checksum(data: bytes) -> int:
        crc = 0xFFFF_FFFF
        for octet in data:
            crc = table[(crc ^ octet) & 0xFF] ^ crc >> 8
        return crc ^ 0xFFFF_FFFF

    return checksum


_checksum = _crc32c()


def _sealed(header: bytes, *chunks: bytes) -> bytes:
    """An SCTP packet (RFC 9260 section 3.1) with a right checksum, which is little-endian."""
    packet = header[:8] + bytes(4) + b"".join(chunks)
    return packet[:8] + _checksum(packet).to_bytes(4, "little") + packet[12:]


def _data(tsn: int, *, stream: int = 0, flags: int = 3) -> bytes:
    """A DATA chunk (RFC 9260 section 3.3.1) of four bytes."""
    body = (tsn % (1 << 32)).to_bytes(4, "big") + stream.to_bytes(2, "big") + bytes(2) + (51).to_bytes(4, "big")
    return bytes([0, flags, 0, 20]) + body + b"bomb"


def _memory_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


FLOODS = {
    "gaps": lambda tsn, index: [_data(tsn + 2 * index + 2)],
    "far gaps": lambda tsn, index: [_data(tsn + 1_000_003 * index + 2)],
    "fragments without an end": lambda tsn, index: [_data(tsn + index, flags=2 if index == 0 else 0)],
    "chunks without number": lambda tsn, index: [_data(tsn + 60 * index + piece) for piece in range(60)],
    "streams without number": lambda tsn, index: [_data(tsn + index, stream=index % 65_536)],
    "unknown chunks": lambda tsn, index: [bytes([0xC0 | index % 63, 0, 0, 4])] * 300,
    "cookies": lambda tsn, index: [bytes([10, 0, 4, 4]) + index.to_bytes(4, "big") * 256],
    "heartbeats": lambda tsn, index: [bytes([4, 0, 4, 8, 0, 1, 4, 4]) + bytes(1024)],
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_of_chunks_is_bounded(flood: Callable[[int, int], list[bytes]]) -> None:
    """The peer holds the keys and the verification tag: what it sends is authentic, and made to be dear."""
    client, server = _connected_pair()
    client.open_stream(0)
    client.send(0, 51, b"hello")
    (packet,) = client.take_datagrams()
    tsn = int.from_bytes(packet[16:20], "big")
    before, sent = _memory_kb(), 0
    for index in range(3000):
        server.receive(_sealed(packet[:12], *flood(tsn, index)), 6.0 + index / 1000)
        datagrams = server.take_datagrams()
        assert all(len(datagram) <= 1148 for datagram in datagrams), "each must fit its DTLS record"
        sent += sum(map(len, datagrams))
        while server.take_message():
            pass
    assert _memory_kb() - before < 16_384
    # Heartbeats come back as they are; nothing else makes it say more than it is told.
    assert sent < 3000 * 1400
    assert server.state in ("connected", "closed")


def test_a_flood_of_inits_is_bounded_and_ends_nothing() -> None:
    client, server = _connected_pair()
    before = _memory_kb()
    for index in range(3000):
        body = (index + 1).to_bytes(4, "big") + (1 << 20).to_bytes(4, "big") + b"\xff\xff\xff\xff" + bytes(4)
        server.receive(_sealed(b"\x13\x88\x13\x88" + bytes(8), b"\x01\x00\x00\x14" + body), 6.0 + index / 1000)
        server.take_datagrams()
    assert _memory_kb() - before < 16_384
    client.open_stream(0)
    client.send(0, 51, b"still here")
    for datagram in client.take_datagrams():
        server.receive(datagram, 10.0)
    assert server.take_message() == (0, 51, b"still here")
