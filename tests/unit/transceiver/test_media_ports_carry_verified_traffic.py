"""The behaviour suite of media ports: the same for every implementation, on real sockets of this machine."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pylibsrtp
import pytest

from tests.support.marked_peer import marked_peer
from transceiver.media_port.interface import MAX_SCHEDULED, MediaPort, Path, SrtpKeys, SrtpProfile
from transceiver.media_port.native_port import open_native_port
from transceiver.media_port.python_port import open_python_port
from transceiver.session.actions import AudioReceived
from transceiver.session.rtp import RtpPacket, parse_rtp
from wire.address import Address
from wire.drop import DropReason
from wire.spp import HEADER_BYTES, SppHeader, decode_header, encode_header

ENGINES = {"python": open_python_port, "native": open_native_port}
CLIENT = Address("198.51.100.7", 40_000)
PUBLIC = Address("203.0.113.1", 3478)
PATH = Path(CLIENT, PUBLIC)
STUN = bytes(4) + b"\x21\x12\xa4\x42" + bytes(12)
DTLS = bytes([22, 0xFE, 0xFD]) + bytes(10)
LIMIT_S = 5.0


@dataclass
class RecordingSink:
    """Keeps what arrives as (method, arguments without time), and lets a test await it."""

    calls: asyncio.Queue[tuple[object, ...]] = field(default_factory=asyncio.Queue)

    def stun_received(self, path: Path, datagram: bytes, relay: Address, now: float) -> None:
        self.calls.put_nowait(("stun", path, datagram, relay))

    def dtls_received(self, session_id: int, path: Path, datagram: bytes, now: float) -> None:
        self.calls.put_nowait(("dtls", session_id, path, datagram))

    def audio_received(self, session_id: int, frame: AudioReceived, now: float) -> None:
        self.calls.put_nowait(("audio", session_id, frame))

    def rtp_received(self, session_id: int, path: Path, packet: RtpPacket, now: float) -> None:
        self.calls.put_nowait(("rtp", session_id, path, packet))

    def rtcp_received(self, session_id: int, path: Path, packet: bytes, now: float) -> None:
        self.calls.put_nowait(("rtcp", session_id, path, packet))

    async def next(self) -> tuple[object, ...]:
        return await asyncio.wait_for(self.calls.get(), LIMIT_S)


class Relay:
    """A socket that speaks the envelope."""

    def __init__(self, port: MediaPort) -> None:
        self._port = port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(("127.0.0.1", 0))
        self.address = Address(*self._socket.getsockname())

    def send(self, datagram: bytes, path: Path = PATH) -> None:
        self.send_raw(encode_header(*path) + datagram)

    def send_raw(self, datagram: bytes) -> None:
        self._socket.sendto(datagram, self._port.address)

    async def receive(self) -> tuple[SppHeader | DropReason, bytes]:
        loop = asyncio.get_running_loop()
        datagram = await asyncio.wait_for(loop.sock_recv(self._socket, 4096), LIMIT_S)
        return decode_header(datagram), datagram[HEADER_BYTES:]

    def close(self) -> None:
        self._socket.close()


@dataclass
class Bench:
    """A port with a sink and two relays, the first of which it knows."""

    port: MediaPort
    sink: RecordingSink
    relay: Relay
    other: Relay

    async def dropped(self, reason: DropReason, count: int = 1) -> None:
        """Waits until `count` datagrams have been dropped as `reason`."""
        async with asyncio.timeout(LIMIT_S):
            while self.port.counters.drops[reason] < count:
                await asyncio.sleep(0.001)
        assert self.port.counters.drops == {reason: count}
        assert self.sink.calls.empty()


@pytest.fixture(params=ENGINES)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    port = await ENGINES[request.param](Address("127.0.0.1", 0))
    sink = RecordingSink()
    port.deliver_to(sink)
    relay, other = Relay(port), Relay(port)
    port.accept_relays([relay.address])
    yield Bench(port, sink, relay, other)
    port.close()
    relay.close()
    other.close()


@dataclass
class Peer:
    """The client's end of SRTP."""

    keys: SrtpKeys
    outbound: pylibsrtp.Session
    inbound: pylibsrtp.Session


def keyed(profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM) -> Peer:
    length = profile.key_bytes + profile.salt_bytes
    inbound, outbound = bytes(range(length)), bytes(range(length, 2 * length))
    number = {
        SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
        SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    }[profile]
    policy = pylibsrtp.Policy
    return Peer(
        SrtpKeys(profile, inbound=inbound, outbound=outbound),
        pylibsrtp.Session(policy(key=inbound, ssrc_type=policy.SSRC_ANY_OUTBOUND, srtp_profile=number)),
        pylibsrtp.Session(policy(key=outbound, ssrc_type=policy.SSRC_ANY_INBOUND, srtp_profile=number)),
    )


def rtp(sequence: int, payload: bytes = b"voice", ssrc: int = 7) -> bytes:
    return b"\x80\x6f" + sequence.to_bytes(2, "big") + bytes(4) + ssrc.to_bytes(4, "big") + payload


RTCP = b"\x80\xc9\x00\x01\x00\x00\x00\x07"


async def test_stun_reaches_the_sink_from_any_path_with_its_relay(bench: Bench) -> None:
    bench.relay.send(STUN)
    assert await bench.sink.next() == ("stun", PATH, STUN, bench.relay.address)


async def test_stranger_is_not_heard(bench: Bench) -> None:
    bench.other.send(STUN)
    await bench.dropped(DropReason.UNKNOWN_RELAY)


async def test_network_of_relays_is_heard(bench: Bench) -> None:
    bench.port.accept_relays([], [ipaddress.ip_network("127.0.0.0/8")])
    bench.other.send(STUN)
    assert (await bench.sink.next())[0] == "stun"
    bench.port.accept_relays([], [ipaddress.ip_network("10.0.0.0/8")])
    bench.other.send(STUN)
    await bench.dropped(DropReason.UNKNOWN_RELAY)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", DropReason.MALFORMED_SPP),
        (b"\x56\xec" + bytes(30), DropReason.MALFORMED_SPP),
        (bytes(38) + STUN, DropReason.MALFORMED_SPP),
        (bytes(38) + DTLS, DropReason.MALFORMED_SPP),
        (encode_header(*PATH), DropReason.EMPTY_DATAGRAM),
        (encode_header(*PATH) + b"\x80", DropReason.UNKNOWN_KIND),
        (encode_header(*PATH) + bytes([5]) * 20, DropReason.UNKNOWN_KIND),
        (encode_header(*PATH) + bytes([17]) * 20, DropReason.UNSUPPORTED_KIND),
        (encode_header(*PATH) + bytes([70]) * 20, DropReason.UNSUPPORTED_KIND),
        (encode_header(*PATH) + bytes([230]) * 20, DropReason.UNSUPPORTED_KIND),
        (encode_header(*PATH) + bytes(3000), DropReason.OVERSIZED_DATAGRAM),
        (encode_header(*PATH) + DTLS, DropReason.UNVALIDATED_FIVE_TUPLE),
        (encode_header(*PATH) + rtp(1) + bytes(16), DropReason.UNVALIDATED_FIVE_TUPLE),
        (encode_header(*PATH) + RTCP + bytes(20), DropReason.UNVALIDATED_FIVE_TUPLE),
    ],
)
async def test_datagram_that_is_nobodys(bench: Bench, raw: bytes, reason: DropReason) -> None:
    bench.relay.send_raw(raw)
    await bench.dropped(reason)


async def test_bound_path_carries_dtls_both_ways(bench: Bench) -> None:
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.relay.send(DTLS)
    assert await bench.sink.next() == ("dtls", 1, PATH, DTLS)
    bench.port.send(PATH, b"reply")
    assert await bench.relay.receive() == (SppHeader(*PATH), b"reply")


async def test_ipv6_client_keeps_its_address(bench: Bench) -> None:
    path = Path(Address("2001:db8::7", 5000), Address("2001:db8::1", 443))
    bench.port.bind(path, 1, bench.relay.address)
    bench.relay.send(DTLS, path)
    assert await bench.sink.next() == ("dtls", 1, path, DTLS)
    bench.port.send(path, b"reply")
    assert await bench.relay.receive() == (SppHeader(*path), b"reply")


async def test_unbound_path_is_closed_again(bench: Bench) -> None:
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.port.unbind(PATH)
    bench.port.unbind(PATH)
    bench.relay.send(DTLS)
    await bench.dropped(DropReason.UNVALIDATED_FIVE_TUPLE)


async def test_path_may_pass_to_another_session(bench: Bench) -> None:
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.port.bind(PATH, 2, bench.relay.address)
    bench.port.stop(1)
    bench.relay.send(DTLS)
    assert (await bench.sink.next())[1] == 2


@pytest.mark.parametrize("profile", SrtpProfile)
async def test_srtp_and_srtcp_both_ways(bench: Bench, profile: SrtpProfile) -> None:
    peer = keyed(profile)
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.port.start_srtp(1, peer.keys)
    bench.relay.send(peer.outbound.protect(rtp(1)))
    assert await bench.sink.next() == ("rtp", 1, PATH, parse_rtp(rtp(1)))
    bench.relay.send(peer.outbound.protect_rtcp(RTCP))
    assert await bench.sink.next() == ("rtcp", 1, PATH, RTCP)
    bench.port.send_rtp(1, PATH, rtp(9, b"answer"))
    assert peer.inbound.unprotect((await bench.relay.receive())[1]) == rtp(9, b"answer")
    bench.port.send_rtcp(1, PATH, RTCP)
    assert peer.inbound.unprotect_rtcp((await bench.relay.receive())[1]) == RTCP
    assert bench.port.counters.drops == {}


async def test_media_before_the_keys(bench: Bench) -> None:
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.relay.send(keyed().outbound.protect(rtp(1)))
    await bench.dropped(DropReason.SRTP_NOT_READY)


async def test_replayed_media(bench: Bench) -> None:
    peer = keyed()
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.port.start_srtp(1, peer.keys)
    packet, report = peer.outbound.protect(rtp(1)), peer.outbound.protect_rtcp(RTCP)
    for datagram in (packet, report):
        bench.relay.send(datagram)
        await bench.sink.next()
    bench.relay.send(packet)
    bench.relay.send(report)
    await bench.dropped(DropReason.SRTP_REPLAYED, 2)


async def test_media_under_other_keys(bench: Bench) -> None:
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.port.start_srtp(1, keyed(SrtpProfile.AEAD_AES_128_GCM).keys)
    stranger = keyed(SrtpProfile.AEAD_AES_256_GCM)
    bench.relay.send(stranger.outbound.protect(rtp(1)))
    bench.relay.send(stranger.outbound.protect_rtcp(RTCP))
    await bench.dropped(DropReason.SRTP_AUTH_FAILED, 2)


async def test_replies_leave_through_the_relay_that_was_last_authentic(bench: Bench) -> None:
    peer = keyed()
    bench.port.accept_relays([bench.relay.address, bench.other.address])
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.port.start_srtp(1, peer.keys)
    bench.other.send(DTLS)
    assert (await bench.sink.next())[0] == "dtls"
    bench.port.send(PATH, b"still here")
    assert (await bench.relay.receive())[1] == b"still here"
    bench.other.send(peer.outbound.protect(rtp(1)))
    assert (await bench.sink.next())[0] == "rtp"
    bench.port.send(PATH, b"moved")
    assert (await bench.other.receive())[1] == b"moved"
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.port.send(PATH, b"and back")
    assert (await bench.relay.receive())[1] == b"and back"


async def test_stopped_session_leaves_nothing(bench: Bench) -> None:
    peer = keyed()
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.port.start_srtp(1, peer.keys)
    bench.port.stop(1)
    bench.port.send_rtp(1, PATH, rtp(1))
    bench.port.send(PATH, b"x")
    assert bench.port.counters.drops == {DropReason.SRTP_NOT_READY: 1, DropReason.SESSION_CLOSED: 1}
    assert bench.port.counters.datagrams_sent == 0


async def test_packet_too_long_to_protect_is_dropped(bench: Bench) -> None:
    peer = keyed()
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.port.start_srtp(1, peer.keys)
    bench.port.send_rtp(1, PATH, rtp(1, bytes(1275)))
    assert len(peer.inbound.unprotect((await bench.relay.receive())[1])) == 12 + 1275
    bench.port.send_rtp(1, PATH, rtp(2, bytes(1400)))
    bench.port.send_rtcp(1, PATH, RTCP + bytes(1400))
    await bench.dropped(DropReason.OVERSIZED_DATAGRAM, 2)


async def test_counters_count_what_the_client_sent_and_got(bench: Bench) -> None:
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.relay.send(DTLS)
    await bench.sink.next()
    bench.port.send(PATH, b"reply")
    await bench.relay.receive()
    counters = bench.port.counters
    assert (counters.datagrams_received, counters.bytes_received) == (1, len(DTLS))
    assert (counters.datagrams_sent, counters.bytes_sent) == (1, 5)


async def test_address_in_use_is_an_error(bench: Bench) -> None:
    with pytest.raises(OSError):  # noqa: PT011  # the number differs between systems
        await open_python_port(bench.port.address)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_port_on_every_address_hears_relays_of_both_families(engine: str, host: str) -> None:
    port = await ENGINES[engine](Address("::", 0))
    sink = RecordingSink()
    port.deliver_to(sink)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as relay:
        relay.bind((host, 0))
        address = Address(host, relay.getsockname()[1])
        port.accept_relays([address])
        relay.sendto(encode_header(*PATH) + STUN, (host, port.address.port))
        assert await sink.next() == ("stun", PATH, STUN, address)
        port.bind(PATH, 1, address)
        port.send(PATH, STUN)
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(relay, 4096), LIMIT_S) == (
            encode_header(*PATH) + STUN
        )
    port.close()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("dscp", [None, 0, 10])
async def test_what_it_sends_is_marked_as_audio_or_as_configured(engine: str, host: str, dscp: int | None) -> None:
    listen = Address("::", 0)
    port = await (ENGINES[engine](listen) if dscp is None else ENGINES[engine](listen, dscp))
    port.deliver_to(RecordingSink())
    with marked_peer(host) as relay:
        port.accept_relays([relay.address])
        port.bind(PATH, 1, relay.address)
        port.start_srtp(1, keyed().keys)
        port.send(PATH, STUN)
        port.send_rtp(1, PATH, rtp(1))
        expected = (46 if dscp is None else dscp) << 2
        assert [(await relay.receive())[1] for _ in range(2)] == [expected] * 2
    port.close()


async def test_the_longest_datagram_a_relay_passes_is_accepted(bench: Bench) -> None:
    longest = STUN + bytes(2048 - len(STUN))
    bench.relay.send(longest)
    assert await bench.sink.next() == ("stun", PATH, longest, bench.relay.address)
    bench.relay.send(longest + b"x")
    await bench.dropped(DropReason.OVERSIZED_DATAGRAM)


async def scheduled(bench: Bench, count: int, *, first_in_s: float, every_s: float = 0.0) -> Peer:
    """Schedules packets numbered from 0, in a session of its own; its keys."""
    peer = keyed()
    bench.port.bind(PATH, 1, bench.relay.address)
    bench.port.start_srtp(1, peer.keys)
    now = time.monotonic()
    for number in range(count):
        bench.port.schedule_rtp(1, PATH, rtp(number), now + first_in_s + number * every_s, now)
    return peer


async def heard(bench: Bench, peer: Peer, count: int) -> list[bytes]:
    return [peer.inbound.unprotect((await bench.relay.receive())[1]) for _ in range(count)]


async def test_scheduled_packets_leave_in_order_and_not_before_they_are_due(bench: Bench) -> None:
    began = time.monotonic()
    peer = await scheduled(bench, 10, first_in_s=0.2, every_s=0.005)
    assert bench.port.rtp_waiting(1) == 10
    assert bench.port.counters.datagrams_sent == 0
    for number in range(10):
        assert peer.inbound.unprotect((await bench.relay.receive())[1]) == rtp(number)
        assert time.monotonic() - began > 0.199 + number * 0.005
    assert bench.port.rtp_waiting(1) == 0
    assert bench.port.counters.drops == {}


async def test_a_packet_that_is_due_leaves_at_once(bench: Bench) -> None:
    peer = await scheduled(bench, 1, first_in_s=0.0)
    assert bench.port.rtp_waiting(1) == 0
    assert await heard(bench, peer, 1) == [rtp(0)]


async def test_a_packet_that_is_due_does_not_overtake_those_that_wait(bench: Bench) -> None:
    peer = await scheduled(bench, 2, first_in_s=0.3)
    now = time.monotonic()
    bench.port.schedule_rtp(1, PATH, rtp(2), now, now)
    assert bench.port.rtp_waiting(1) == 3
    assert await heard(bench, peer, 3) == [rtp(0), rtp(1), rtp(2)]


async def test_what_is_taken_back_never_leaves_and_its_sequence_numbers_serve_again(bench: Bench) -> None:
    peer = await scheduled(bench, 8, first_in_s=3600)
    assert bench.port.take_back_rtp(1) == 8
    assert (bench.port.rtp_waiting(1), bench.port.take_back_rtp(1)) == (0, 0)
    now = time.monotonic()
    for number in range(3):
        bench.port.schedule_rtp(1, PATH, rtp(number, b"other"), now + 0.01, now)
    assert await heard(bench, peer, 3) == [rtp(number, b"other") for number in range(3)]
    assert bench.port.counters.datagrams_sent == 3


async def test_taking_back_leaves_other_sessions_alone(bench: Bench) -> None:
    peer, other = await scheduled(bench, 3, first_in_s=3600), Path(Address("198.51.100.8", 1), PUBLIC)
    bench.port.bind(other, 2, bench.relay.address)
    bench.port.start_srtp(2, peer.keys)
    now = time.monotonic()
    bench.port.schedule_rtp(2, other, rtp(9), now + 0.01, now)
    assert bench.port.take_back_rtp(1) == 3
    header, packet = await bench.relay.receive()
    assert (header, peer.inbound.unprotect(packet)) == (SppHeader(*other), rtp(9))
    assert bench.port.counters.datagrams_sent == 1


async def test_a_session_has_room_for_so_many_scheduled_packets(bench: Bench) -> None:
    await scheduled(bench, MAX_SCHEDULED + 2, first_in_s=3600)
    assert bench.port.rtp_waiting(1) == MAX_SCHEDULED
    await bench.dropped(DropReason.QUEUE_FULL, 2)


async def test_what_is_scheduled_follows_the_client_to_its_new_path(bench: Bench) -> None:
    peer, new = await scheduled(bench, 2, first_in_s=0.3), Path(Address("198.51.100.9", 9), PUBLIC)
    bench.port.bind(new, 1, bench.relay.address)
    bench.port.reroute_rtp(1, new)
    for number in range(2):
        header, packet = await bench.relay.receive()
        assert (header, peer.inbound.unprotect(packet)) == (SppHeader(*new), rtp(number))


async def test_a_stopped_session_sends_nothing_that_was_scheduled(bench: Bench) -> None:
    await scheduled(bench, 3, first_in_s=0.2)
    bench.port.stop(1)
    assert bench.port.rtp_waiting(1) == 0
    await asyncio.sleep(0.25)
    assert bench.port.counters.datagrams_sent == 0


async def test_what_cannot_be_scheduled_is_counted(bench: Bench) -> None:
    now = time.monotonic()
    bench.port.schedule_rtp(1, PATH, rtp(1), now + 1, now)
    bench.port.start_srtp(1, keyed().keys)
    bench.port.schedule_rtp(1, PATH, rtp(1), now + 1, now)
    assert bench.port.counters.drops == {DropReason.SRTP_NOT_READY: 1, DropReason.SESSION_CLOSED: 1}


async def test_a_path_that_another_session_has_got_hears_nothing_of_the_first(bench: Bench) -> None:
    await scheduled(bench, 1, first_in_s=0.3)
    bench.port.bind(PATH, 2, bench.relay.address)
    await bench.dropped(DropReason.SESSION_CLOSED)
    assert bench.port.counters.datagrams_sent == 0
