"""The native media port against the readable one: the same datagrams in, the same deliveries, drops and bytes out."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import pylibsrtp
from hypothesis import given, settings
from hypothesis import strategies as st

from transceiver.media_port.interface import (
    ArrivalReports,
    AudioLane,
    LaneProgress,
    MediaPort,
    Path,
    PortCounters,
    SrtpKeys,
    SrtpProfile,
    Stream,
    StreamPosition,
)
from transceiver.media_port.native_port import NativeMediaPort, open_native_port
from transceiver.media_port.python_port import SocketPort, open_python_port
from transceiver.session.actions import AudioReceived
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
LEVEL_ID = 3
NUMBER_ID = 5
STUN = bytes(4) + b"\x21\x12\xa4\x42" + bytes(12)


@dataclass
class Step:
    """One datagram of a client, before its envelope."""

    kind: str
    path: int
    sequence_step: int
    timestamp_step: int
    number_step: int
    payload_type: int
    ssrc: int
    body: bytes
    extensions: Mapping[int, bytes]
    wait_s: float
    times: int
    cut: int
    flip: int | None


steps = st.builds(
    Step,
    kind=st.sampled_from(["rtp"] * 8 + ["rtcp"] * 2 + ["stun", "dtls", "junk"]),
    path=st.sampled_from([0, 0, 0, 0, 0, 1]),
    # Mostly the next one.
    sequence_step=st.sampled_from([1] * 20 + [-2, -1, 0, 2, 3, 4, -1100, -1000, 900, 20_000, 33_000]),
    timestamp_step=st.sampled_from([960] * 8 + [-960, 0, 1 << 31, 1 << 32]),
    number_step=st.sampled_from([1] * 20 + [-30, -2, -1, 0, 2, 3, 30, -2000, 999, 1001, 32_768]),
    payload_type=st.sampled_from([111] * 9 + [0]),
    # One more than a session may have.
    ssrc=st.sampled_from([0] * 40 + list(range(17))),
    body=st.binary(min_size=0, max_size=60),
    extensions=st.dictionaries(
        st.one_of(st.just(LEVEL_ID), st.integers(1, 20).filter(lambda each: each != 15)),
        st.binary(max_size=4),
        max_size=2,
    ),
    wait_s=st.sampled_from([0.0, 0.0001, 0.02, 0.02, 0.1, 0.3, 9.0]),
    times=st.sampled_from([1, 1, 1, 2]),
    cut=st.sampled_from([0] * 20 + [1, 9, 14, 20, 30]),
    flip=st.sampled_from([None] * 20 + [3, 100, 150, 300, 700]),
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
        self._timestamp = (1 << 32) - 5000
        self._number = 65_520

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
                self._timestamp += step.timestamp_step
                self._number += step.number_step
                number = {NUMBER_ID: (self._number % 65_536).to_bytes(2, "big")}
                header = bytes([0x90, 0x80 | step.payload_type])
                header += (self._sequence[step.ssrc] % 65_536).to_bytes(2, "big")
                header += (self._timestamp % (1 << 32)).to_bytes(4, "big")
                packet = header + ssrc + build_extensions(number | dict(step.extensions)) + step.body
                try:
                    return self._srtp.protect(packet)
                except pylibsrtp.Error:
                    # Further back than libsrtp sends: then it is a packet without protection.
                    return packet
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
    """Does what a hub and its sessions do with checks and RTP, and remembers everything."""

    port: MediaPort
    lanes: dict[int, AudioLane] = field(default_factory=dict)
    seen: list[tuple[object, ...]] = field(default_factory=list)

    def stun_received(self, path: Path, datagram: bytes, relay: Address, now: float) -> None:
        self.seen.append(("stun", path, datagram))
        self.port.bind(path, SESSIONS[PATHS.index(path)], relay)

    def dtls_received(self, session_id: int, path: Path, datagram: bytes, now: float) -> None:
        self.seen.append(("dtls", session_id, path, datagram))
        if datagram.endswith(b"x"):
            self.port.unbind(path)

    def audio_received(self, session_id: int, frame: AudioReceived, now: float) -> None:
        self.seen.append(("audio", session_id, frame))
        assert isinstance(frame, AudioReceived)
        self._echo(session_id, PATHS[session_id - 1], frame.sequence, frame.payload)

    def rtp_received(self, session_id: int, path: Path, packet: RtpPacket, now: float) -> None:
        progress = self.lanes[session_id].take_progress()
        self.seen.append(("rtp", session_id, path, packet, progress, now))
        assert isinstance(packet, RtpPacket)
        self._echo(session_id, path, packet.sequence, packet.payload)
        before = progress.position if progress is not None else StreamPosition(0, 0, 0, 0.0, None)
        position = before._replace(next_sequence=packet.sequence + 1, wire_timestamp=packet.timestamp)
        self.lanes[session_id].open(path, Stream("opus", 48_000, 111, LEVEL_ID, packet.ssrc), position)

    def rtcp_received(self, session_id: int, path: Path, packet: bytes, now: float) -> None:
        self.seen.append(("rtcp", session_id, path, packet))
        self.port.send_rtcp(session_id, path, packet)
        self.port.send_feedback(session_id, path, now)
        if packet.endswith(b"x"):
            self.lanes[session_id].close()

    def _echo(self, session_id: int, path: Path, sequence: int, payload: bytes) -> None:
        header = b"\x80\x6f" + (sequence % 65_536).to_bytes(2, "big") + bytes(4) + b"\x00\x00\x00\x63"
        self.port.send_rtp(session_id, path, header + payload)


@dataclass
class Outcome:
    seen: list[tuple[object, ...]]
    progress: list[LaneProgress | None]
    sent: list[bytes]
    counters: PortCounters


async def outcome(
    open_port: Callable[[Address], Awaitable[MediaPort]], keys: SrtpKeys, datagrams: list[tuple[float, bytes]]
) -> Outcome:
    """What becomes of datagrams, each read at its own time."""
    port = await open_port(Address("127.0.0.1", 0))
    assert isinstance(port, SocketPort | NativeMediaPort)
    sink = Sink(port)
    port.deliver_to(sink)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as relay:
        relay.bind(("127.0.0.1", 0))
        port.accept_relays([Address(*relay.getsockname())])
        for session in SESSIONS:
            port.start_srtp(session, keys)
            lane = sink.lanes[session] = port.lane(session)
            lane.report_arrivals(ArrivalReports(NUMBER_ID, 99, b"\x80\xc9\x00\x01\x00\x00\x00\x63"))
        for path, session in zip(PATHS, SESSIONS, strict=True):
            port.bind(path, session, Address(*relay.getsockname()))
        for at, datagram in datagrams:
            relay.sendto(datagram, port.address)
            # Not left to the event loop, whose times would be others.
            port._read(at)
        # What is sent leaves at the end of the turn at the latest.
        await asyncio.sleep(0)
        counters = port.counters
        assert counters.datagrams_received == len(datagrams)
        sent = [relay.recv(4096) for _ in range(counters.datagrams_sent)]
    progress = [lane.take_progress() for lane in sink.lanes.values()]
    port.close()
    return Outcome(sink.seen, progress, sent, counters)


@settings(max_examples=250, deadline=None)
@given(profile=st.sampled_from(SrtpProfile), row=st.lists(steps, min_size=5, max_size=60))
def test_any_datagrams(profile: SrtpProfile, row: list[Step]) -> None:
    client = Client(profile)
    datagrams: list[tuple[float, bytes]] = []
    now = 1000.0
    for step in row:
        now += step.wait_s
        datagrams += [(now, datagram) for datagram in client.datagrams(step)]

    async def both() -> tuple[Outcome, Outcome]:
        return (
            await outcome(open_python_port, client.keys, datagrams),
            await outcome(open_native_port, client.keys, datagrams),
        )

    python, native = asyncio.run(both())
    assert native.seen == python.seen
    assert native.progress == python.progress
    assert native.counters == python.counters
    # Trains may change the order between the two paths, not within one.
    for path in PATHS:
        envelope = encode_header(*path)
        assert [each for each in native.sent if each.startswith(envelope)] == [
            each for each in python.sent if each.startswith(envelope)
        ]
