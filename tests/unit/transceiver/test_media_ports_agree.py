"""The native media port against the readable one: the same datagrams in, the same deliveries, drops and bytes out."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pylibsrtp
from hypothesis import given, settings
from hypothesis import strategies as st

from transceiver.media_port.interface import MediaPort, Path, PortCounters, SrtpKeys, SrtpProfile
from transceiver.media_port.native_port import open_native_port
from transceiver.media_port.python_port import open_python_port
from transceiver.session.rtp import RtpPacket, build_extensions
from wire.address import Address
from wire.spp import encode_header

PATHS = [
    Path(Address("198.51.100.7", 40_000), Address("203.0.113.1", 3478)),
    Path(Address("2001:db8::7", 40_000), Address("2001:db8::1", 443)),
]
SESSIONS = [1, 2]
PROFILES = {
    SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
STUN = bytes(4) + b"\x21\x12\xa4\x42" + bytes(12)
LIMIT_S = 10.0


@dataclass
class Step:
    """One datagram of a client, before its envelope."""

    kind: str
    path: int
    sequence_step: int
    ssrc: int
    body: bytes
    extensions: dict[int, bytes]
    times: int
    cut: int
    flip: int | None


steps = st.builds(
    Step,
    kind=st.sampled_from(["rtp"] * 8 + ["rtcp"] * 2 + ["stun", "dtls", "junk"]),
    path=st.integers(0, 1),
    sequence_step=st.one_of(st.integers(-2, 4), st.sampled_from([-1100, -1000, 900, 20_000, 33_000])),
    # One more than a session may have.
    ssrc=st.one_of(st.just(0), st.integers(0, 16)),
    body=st.binary(min_size=0, max_size=60),
    extensions=st.dictionaries(st.integers(1, 20).filter(lambda each: each != 15), st.binary(max_size=4), max_size=2),
    times=st.sampled_from([1, 1, 1, 2]),
    cut=st.sampled_from([0, 0, 0, 0, 1, 9, 14, 20, 30]),
    flip=st.one_of(st.none(), st.none(), st.none(), st.integers(0, 700)),
)


class Client:
    """Makes the datagrams of a row of steps."""

    def __init__(self, profile: SrtpProfile) -> None:
        length = profile.key_bytes + profile.salt_bytes
        self.keys = SrtpKeys(profile, inbound=bytes(range(length)), outbound=bytes(range(100, 100 + length)))
        policy = pylibsrtp.Policy(
            key=self.keys.inbound,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=PROFILES[profile],
        )
        policy.allow_repeat_tx = True
        policy.window_size = 32_000
        self._srtp = pylibsrtp.Session(policy)
        self._sequence = dict.fromkeys(range(17), 65_500)

    def datagrams(self, step: Step) -> list[bytes]:
        datagram = bytearray(self._datagram(step))
        datagram = datagram[: max(0, len(datagram) - step.cut)]
        if step.flip is not None and datagram:
            datagram[step.flip // 8 % len(datagram)] ^= 1 << step.flip % 8
        return [encode_header(*PATHS[step.path]) + bytes(datagram)] * step.times

    def _datagram(self, step: Step) -> bytes:
        ssrc = step.ssrc.to_bytes(4, "big")
        match step.kind:
            case "rtp":
                self._sequence[step.ssrc] += step.sequence_step
                extensions = build_extensions(step.extensions) if step.extensions else b""
                header = bytes([0x90 if extensions else 0x80, 0x80 | 111])
                sequence = (self._sequence[step.ssrc] % 65_536).to_bytes(2, "big")
                try:
                    return self._srtp.protect(header + sequence + bytes(4) + ssrc + extensions + step.body)
                except pylibsrtp.Error:
                    # Further back than libsrtp sends: then it is a packet without protection.
                    return header + sequence + bytes(4) + ssrc + step.body
            case "rtcp":
                return self._srtp.protect_rtcp(b"\x80\xc9\x00\x01" + ssrc + step.body)
            case "stun":
                return STUN + step.body
            case "dtls":
                return b"\x16\xfe\xfd" + step.body
            case _:
                return step.body


@dataclass
class Sink:
    """Does what a hub does with checks, and remembers everything."""

    port: MediaPort
    seen: list[tuple[object, ...]] = field(default_factory=list)

    def stun_received(self, path: Path, datagram: bytes, relay: Address, now: float) -> None:
        self.seen.append(("stun", path, datagram))
        self.port.bind(path, SESSIONS[PATHS.index(path)], relay)

    def dtls_received(self, session_id: int, path: Path, datagram: bytes, now: float) -> None:
        self.seen.append(("dtls", session_id, path, datagram))
        if datagram.endswith(b"x"):
            self.port.unbind(path)

    def rtp_received(self, session_id: int, path: Path, packet: RtpPacket, now: float) -> None:
        self.seen.append(("rtp", session_id, path, packet))
        assert isinstance(packet, RtpPacket)
        header = b"\x80\x6f" + packet.sequence.to_bytes(2, "big") + bytes(4) + b"\x00\x00\x00\x63"
        self.port.send_rtp(session_id, path, header + packet.payload)

    def rtcp_received(self, session_id: int, path: Path, packet: bytes, now: float) -> None:
        self.seen.append(("rtcp", session_id, path, packet))
        self.port.send_rtcp(session_id, path, packet)


@dataclass
class Outcome:
    seen: list[tuple[object, ...]]
    sent: list[bytes]
    counters: PortCounters


async def outcome(
    open_port: Callable[[Address], Awaitable[MediaPort]], keys: SrtpKeys, datagrams: list[bytes]
) -> Outcome:
    port = await open_port(Address("127.0.0.1", 0))
    sink = Sink(port)
    port.deliver_to(sink)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as relay:
        relay.bind(("127.0.0.1", 0))
        port.accept_relays([Address(*relay.getsockname())])
        for session in SESSIONS:
            port.start_srtp(session, keys)
        for path, session in zip(PATHS, SESSIONS, strict=True):
            port.bind(path, session, Address(*relay.getsockname()))
        for datagram in datagrams:
            relay.sendto(datagram, port.address)
        async with asyncio.timeout(LIMIT_S):
            while port.counters.datagrams_received < len(datagrams):
                await asyncio.sleep(0)
            # What is sent leaves at the end of the turn at the latest.
            await asyncio.sleep(0)
        counters = port.counters
        sent = [relay.recv(4096) for _ in range(counters.datagrams_sent)]
    port.close()
    return Outcome(sink.seen, sent, counters)


@settings(max_examples=150, deadline=None)
@given(profile=st.sampled_from(SrtpProfile), row=st.lists(steps, max_size=60))
def test_any_datagrams(profile: SrtpProfile, row: list[Step]) -> None:
    client = Client(profile)
    datagrams = [datagram for step in row for datagram in client.datagrams(step)]

    async def both() -> tuple[Outcome, Outcome]:
        return (
            await outcome(open_python_port, client.keys, datagrams),
            await outcome(open_native_port, client.keys, datagrams),
        )

    python, native = asyncio.run(both())
    assert native.seen == python.seen
    assert native.counters == python.counters
    # Trains may change the order between the two paths, not within one.
    for path in PATHS:
        envelope = encode_header(*path)
        assert [each for each in native.sent if each.startswith(envelope)] == [
            each for each in python.sent if each.startswith(envelope)
        ]
