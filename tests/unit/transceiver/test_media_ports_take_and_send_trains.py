"""Many datagrams in one system call, both ways: the kernel joins and cuts them (UDP_GRO, UDP_SEGMENT of udp(7))."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from transceiver.media_port.interface import MediaPort, Path
from transceiver.media_port.native_port import open_native_port
from transceiver.media_port.python_port import open_python_port
from transceiver.session.actions import AudioReceived
from transceiver.session.rtp import RtpPacket
from wire.address import Address
from wire.drop import DropReason
from wire.spp import HEADER_BYTES, encode_header

ENGINES = {"python": open_python_port, "native": open_native_port}
SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
PUBLIC = Address("203.0.113.1", 3478)
PATHS = [Path(Address("198.51.100.7", 40_000 + number), PUBLIC) for number in range(80)]
LIMIT_S = 5.0


class Sink:
    """Keeps the DTLS that comes."""

    def __init__(self) -> None:
        self.dtls: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()

    def stun_received(self, path: Path, datagram: bytes, relay: Address, now: float) -> None:
        raise AssertionError

    def dtls_received(self, session_id: int, path: Path, datagram: bytes, now: float) -> None:
        self.dtls.put_nowait((session_id, datagram))

    def audio_received(self, session_id: int, frame: AudioReceived, now: float) -> None:
        raise AssertionError

    def rtp_received(self, session_id: int, path: Path, packet: RtpPacket, now: float) -> None:
        raise AssertionError

    def rtcp_received(self, session_id: int, path: Path, packet: bytes, now: float) -> None:
        raise AssertionError


class Scene:
    """A port on which each path has a session of its own, and its relay, which takes trains whole."""

    def __init__(self, port: MediaPort, relay: socket.socket) -> None:
        self.port, self.relay, self.sink = port, relay, Sink()
        self.address = Address(*relay.getsockname())
        port.deliver_to(self.sink)
        port.accept_relays([self.address])
        for number, path in enumerate(PATHS):
            port.bind(path, number, self.address)

    async def trains(self, datagrams: int) -> list[list[bytes]]:
        """What the relay gets, until it is so many datagrams, as it came."""
        came: list[list[bytes]] = []
        async with asyncio.timeout(LIMIT_S):
            while sum(map(len, came)) < datagrams:
                try:
                    data, control, *_ = self.relay.recvmsg(65_536, socket.CMSG_SPACE(4))
                except BlockingIOError:
                    await asyncio.sleep(0.001)
                    continue
                length = struct.unpack("=i", control[0][2])[0] if control else len(data)
                came.append([data[start : start + length] for start in range(0, len(data), length)])
        return came


@pytest.fixture(params=ENGINES)
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    port = await ENGINES[request.param](Address("127.0.0.1", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as relay:
        relay.setsockopt(SOL_UDP, UDP_GRO, 1)
        relay.bind(("127.0.0.1", 0))
        yield Scene(port, relay)
        port.close()


def dtls(number: int, length: int = 100) -> bytes:
    return bytes([22, 0xFE, 0xFD, number]).ljust(length, b"\0")


async def test_what_is_sent_in_one_turn_to_one_relay_leaves_as_few_trains_as_it_fits(scene: Scene) -> None:
    for number, path in enumerate(PATHS):
        scene.port.send(path, dtls(number))
    trains = await scene.trains(len(PATHS))
    assert sorted(map(len, trains)) == [16, 64]
    assert {each for train in trains for each in train} == {
        encode_header(*path) + dtls(number) for number, path in enumerate(PATHS)
    }
    assert scene.port.counters.datagrams_sent == len(PATHS)


async def test_datagrams_of_one_path_leave_in_order_whatever_their_lengths(scene: Scene) -> None:
    lengths = [100, 300, 100, 100, 50, 300, 100]
    for number, length in enumerate(lengths):
        scene.port.send(PATHS[0], dtls(number, length))
        scene.port.send(PATHS[1], dtls(number, 100))
    came = [each for train in await scene.trains(2 * len(lengths)) for each in train]
    for path, expected in ((PATHS[0], lengths), (PATHS[1], [100] * len(lengths))):
        envelope = encode_header(*path)
        mine = [each[HEADER_BYTES:] for each in came if each.startswith(envelope)]
        assert mine == [dtls(number, length) for number, length in enumerate(expected)]


async def test_a_train_of_a_relay_is_taken_apart(scene: Scene) -> None:
    whole = [encode_header(*path) + dtls(number) for number, path in enumerate(PATHS[:20])]
    last = encode_header(*PATHS[20]) + dtls(20, 30)
    segment = [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", len(whole[0])))]
    scene.relay.sendmsg([*whole, last], segment, 0, scene.port.address)
    came = [await asyncio.wait_for(scene.sink.dtls.get(), LIMIT_S) for _ in range(21)]
    assert came == [*((number, dtls(number)) for number in range(20)), (20, dtls(20, 30))]
    assert scene.port.counters.datagrams_received == 21


async def test_what_the_network_refuses_is_counted_and_not_as_sent(scene: Scene) -> None:
    # Nobody may send there without asking for it.
    everyone = Address("255.255.255.255", 9)
    for path in PATHS[:3]:
        scene.port.bind(path, PATHS.index(path), everyone)
        scene.port.send(path, dtls(0))
    async with asyncio.timeout(LIMIT_S):
        while scene.port.counters.drops[DropReason.SEND_FAILED] < 3:
            await asyncio.sleep(0.001)
    assert (scene.port.counters.datagrams_sent, scene.port.counters.bytes_sent) == (0, 0)
