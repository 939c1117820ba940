"""What a media port is, whoever implements it.

A media port owns the UDP socket that relays send to, the Simple Proxy Protocol envelope, demultiplexing and SRTP. It
knows which session a client's five-tuple is bound to, and nothing else about sessions. What it cannot accept it drops
under a `DropReason`; what it accepts it hands to its sink.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, NamedTuple, Protocol

from transceiver.session.rtp import RtpPacket
from wire.address import Address
from wire.drop import DropReason

if TYPE_CHECKING:
    # Which is made of paths and keys.
    from transceiver.session.actions import AudioReceived

Network = IPv4Network | IPv6Network

SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
"""Room for 100 ms of a thousand sessions, in case the loop is held up; the kernel may grant less."""
EXPEDITED_FORWARDING = 46
"""The DSCP of interactive audio (RFC 8837 section 5)."""
MAX_SCHEDULED = 40
"""RTP packets of one session that wait for their time, at most: 800 ms of the usual frames of 20 ms."""


class Path(NamedTuple):
    """A client's five-tuple as the relay saw it: UDP between `client` and the relay's public address `proxy`."""

    client: Address
    proxy: Address


class SrtpProfile(StrEnum):
    """DTLS-SRTP protection profiles (RFC 5764 section 4.1.2, RFC 7714 section 14.2), by OpenSSL's names."""

    AEAD_AES_128_GCM = "SRTP_AEAD_AES_128_GCM"
    AEAD_AES_256_GCM = "SRTP_AEAD_AES_256_GCM"
    AES128_CM_SHA1_80 = "SRTP_AES128_CM_SHA1_80"

    @property
    def key_bytes(self) -> int:
        """Length of the master key."""
        return 32 if self is SrtpProfile.AEAD_AES_256_GCM else 16

    @property
    def salt_bytes(self) -> int:
        """Length of the master salt."""
        return 14 if self is SrtpProfile.AES128_CM_SHA1_80 else 12

    @property
    def tag_bytes(self) -> int:
        """Length of the authentication tag."""
        return 10 if self is SrtpProfile.AES128_CM_SHA1_80 else 16


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Keying material of one session. Each of `inbound` and `outbound` is the master key followed by the salt."""

    profile: SrtpProfile
    inbound: bytes = field(repr=False)
    outbound: bytes = field(repr=False)


class Stream(NamedTuple):
    """The client's audio as its packets show it.

    Attributes:
        codec: "opus", "PCMU" or "PCMA".
        clock_rate: of its timestamps, in Hz.
        level_id: header extension with the level of RFC 6464; None if there is none.
    """

    codec: str
    clock_rate: int
    payload_type: int
    level_id: int | None
    ssrc: int


class StreamPosition(NamedTuple):
    """Where a stream stands.

    Attributes:
        next_sequence: sequence number of the next packet, with its wraps.
        rtp_timestamp: of the last frame, as `AudioReceived` has it.
        wire_timestamp: of the last packet.
        jitter: interarrival jitter (RFC 3550 section 6.4.1), in clock units.
        transit: arrival of the last packet less its timestamp, in clock units; None if none has told it.
    """

    next_sequence: int
    rtp_timestamp: int
    wire_timestamp: int
    jitter: float
    transit: float | None


class LaneProgress(NamedTuple):
    """What has passed since it was asked for last: packets, bytes of payload, when the last came, where that is."""

    packets: int
    payload_bytes: int
    last_arrival: float
    position: StreamPosition


class ArrivalReports(NamedTuple):
    """How a client is told when its packets came (transport-wide congestion control).

    Attributes:
        extension_id: header extension with the transport-wide sequence number.
        sender_ssrc: ours.
        prefix: RTCP packets that go before the feedback in the same datagram.
    """

    extension_id: int
    sender_ssrc: int
    prefix: bytes


class AudioLane(Protocol):
    """What the port does by itself with one session's RTP; see `transceiver.media_port.lane`."""

    def open(self, path: Path, stream: Stream, position: StreamPosition) -> None:
        """From `position` on, the packets of `stream` on `path` go to the sink as audio, until another packet comes."""

    def close(self) -> None:
        """RTP goes to the sink as RTP until the lane is opened again."""

    def take_progress(self) -> LaneProgress | None:
        """What has passed since this was asked last; None if nothing has."""

    def report_arrivals(self, reports: ArrivalReports | None) -> None:
        """From now on the client is told when its packets come; None: it is not."""


@dataclass(slots=True)
class PortCounters:
    """Totals since the port was opened. Bytes are UDP payload without the envelope."""

    datagrams_received: int = 0
    bytes_received: int = 0
    datagrams_sent: int = 0
    bytes_sent: int = 0
    drops: Counter[DropReason] = field(default_factory=Counter)


class MediaSink(Protocol):
    """Takes what a media port has accepted. `now` is the monotonic arrival time in seconds."""

    def stun_received(self, path: Path, datagram: bytes, relay: Address, now: float) -> None:
        """A STUN datagram, from any path, not verified. A sink that finds it authentic binds `path` to `relay`."""

    def dtls_received(self, session_id: int, path: Path, datagram: bytes, now: float) -> None:
        """A datagram of DTLS records on a path bound to the session."""

    def audio_received(self, session_id: int, frame: "AudioReceived", now: float) -> None:
        """An authentic RTP packet that was the next one of the stream in the session's lane."""

    def rtp_received(self, session_id: int, path: Path, packet: RtpPacket, now: float) -> None:
        """Any other RTP packet that passed SRTP authentication and replay check, and is well-formed."""

    def rtcp_received(self, session_id: int, path: Path, packet: bytes, now: float) -> None:
        """A compound RTCP packet that passed SRTCP authentication and replay check."""


class MediaPort(Protocol):
    """See the module's docstring. No method blocks, and none raises for what a client or relay has sent."""

    @property
    def counters(self) -> PortCounters:
        """Totals since the port was opened."""

    @property
    def address(self) -> Address:
        """Where the socket is bound."""

    def deliver_to(self, sink: MediaSink) -> None:
        """Names the sink; once, before any relay is accepted."""

    def accept_relays(self, addresses: Collection[Address], networks: Collection[Network] = ()) -> None:
        """Replaces the set of senders that are heard. Datagrams of others are dropped as `unknown_relay`."""

    def bind(self, path: Path, session_id: int, relay: Address) -> None:
        """Ties a path that has proved itself to its session; replies leave through `relay`.

        Binding again moves the path to another session or relay. Later, SRTP that passes authentication moves it to
        the relay it came through: a load balancer may have re-hashed the client.
        """

    def unbind(self, path: Path) -> None:
        """Forgets a path. An unknown path is no error."""

    def start_srtp(self, session_id: int, keys: SrtpKeys) -> None:
        """Gives a session its keys; before that its SRTP is dropped as `srtp_not_ready`."""

    def lane(self, session_id: int) -> AudioLane:
        """Gives a session its lane; once, before its first packet."""

    def stop(self, session_id: int) -> None:
        """Forgets a session's keys, lane and paths, and what waits to be sent."""

    def send(self, path: Path, datagram: bytes) -> None:
        """Sends a STUN or DTLS datagram on a bound path."""

    def send_rtp(self, session_id: int, path: Path, packet: bytes) -> None:
        """Protects and sends an RTP packet on a bound path.

        The very same packet may come again within the last 64: it answers a NACK.
        """

    def send_rtcp(self, session_id: int, path: Path, packet: bytes) -> None:
        """Protects and sends a compound RTCP packet on a bound path."""

    # Packets that leave later, by the monotonic clock. What does not wait any more has left, as far as anyone can know.

    def schedule_rtp(
        self, session_id: int, path: Path, packet: bytes, due: float, now: float
    ) -> None:  # as `send_rtp`, and when
        """Sends an RTP packet as `send_rtp` does, once `due` has come: at once if it has and nothing waits before it.

        Packets of a session leave in this order, all of them on the path that was named last. They are protected when
        they leave. Beyond MAX_SCHEDULED they are dropped as `queue_full`.
        """

    def rtp_waiting(self, session_id: int) -> int:
        """How many packets of a session are scheduled and have not left."""

    def take_back_rtp(self, session_id: int) -> int:
        """Forgets those; returns how many they were. They are the last that were scheduled, and will never leave."""

    def reroute_rtp(self, session_id: int, path: Path) -> None:
        """Sends those on another path."""

    def send_feedback(self, session_id: int, path: Path, now: float) -> None:
        """Sends on a bound path what the client is still to be told of its packets, if that is due."""

    def close(self) -> None:
        """Closes the socket. What is scheduled does not leave."""
