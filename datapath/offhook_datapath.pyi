"""The native part of offhook. Private: only offhook's own packages import it."""

from collections.abc import Hashable
from typing import Final, Generic, Literal, Self, TypeAlias, TypeVar, final

@final
class BuildInfo:
    """What was built."""

    version: Final[str]
    """The distribution's version."""
    profile: Final[str]
    """Cargo's profile: `release`, or `debug`, which must not be measured."""
    target: Final[str]
    """The target triple, `x86_64-unknown-linux-gnu` for example."""

def build_info() -> BuildInfo:
    """Reports version, profile and target of this build."""

class SctpError(Exception):
    """A call that the association's state does not allow: not connected, stream not open, stream in use."""

class BufferFull(SctpError):
    """The send buffer has no room for the message; try again when `buffered_amount` has gone down."""

@final
class SctpAssociation:
    """One SCTP association over one DTLS connection (RFC 8261), without I/O.

    `now` is seconds on one monotonic clock of the caller's, any origin. Whatever a peer sends, no method raises for it:
    a packet that makes no sense is dropped, one that breaks the protocol closes the association.

    After any other call, `take_datagrams()` gives what to send and `timeout()` when to call `handle_timeout()`.
    """

    def __new__(cls, *, client: bool, max_message_bytes: int, max_buffered_bytes: int, now: float) -> SctpAssociation:
        """A client sends INIT at once; a server, the usual role of an ICE-lite endpoint, waits for the peer's.

        `max_message_bytes` bounds one message both ways, `max_buffered_bytes` (at least 1500 and one message) what is
        buffered in each direction. Raises ValueError for other numbers, OverflowError for one beyond 32 bits.
        """

    @property
    def state(self) -> Literal["connecting", "connected", "closing", "closed"]:
        """It only moves forward."""

    @property
    def close_reason(self) -> str | None:
        """One short line once the state is `closed`."""

    def receive(self, datagram: bytes, now: float) -> bool:
        """Takes one SCTP packet out of a DTLS record. False: dropped, being no packet of this association."""

    def timeout(self) -> float | None:
        """When `handle_timeout` wants to be called, on the caller's clock."""

    def handle_timeout(self, now: float) -> None:
        """Lets expired timers retransmit; harmless when early. Raises ValueError if `now` is not finite."""

    def take_datagrams(self) -> list[bytes]:
        """The packets to send now, each at most 1148 bytes and each to be one DTLS record."""

    def open_stream(self, stream_id: int) -> None:
        """Opens a stream both ways. Raises SctpError if not connected, if in use, or beyond 1024 streams."""

    def send(
        self,
        stream_id: int,
        ppid: int,
        data: bytes,
        *,
        ordered: bool = True,
        max_retransmits: int | None = None,
        lifetime_ms: int | None = None,
    ) -> None:
        """Queues one message, reliably unless `max_retransmits` or `lifetime_ms` says otherwise (RFC 3758).

        `ppid` is one of 50, 51, 53, 56, 57 (RFC 8831 section 8). Raises SctpError if the stream is not open,
        BufferFull if `max_buffered_bytes` would be exceeded, ValueError for an empty or too long message.
        """

    def take_message(self) -> tuple[int, int, bytes] | None:
        """The next whole message, as (stream id, ppid, data), ordered within a stream; ppid 0 for an unknown one.

        What is not taken fills the receive window and so slows the peer down.
        """

    def close_stream(self, stream_id: int) -> None:
        """Closes one stream both ways (RFC 6525 reset). Raises SctpError if it is not open."""

    def take_ended_streams(self) -> list[int]:
        """Streams that a reset ended since the last call. Take the messages first."""

    def buffered_amount(self, stream_id: int) -> int:
        """Bytes queued on the stream that the peer has not acknowledged. Raises SctpError if it is not open."""

    def total_buffered(self) -> int:
        """The same of all streams together."""

    def close(self) -> None:
        """Begins an orderly shutdown: what was queued is delivered first. Closing twice is harmless."""

    def hang_up(self) -> bytes | None:
        """Ends the association at once. Returns the ABORT that tells the peer; None if there is none to tell."""

@final
class AudioDecoder:
    """One stream of a client's frames, to be run by `decode_audio`."""

    def __new__(cls, codec: str) -> AudioDecoder:
        """`codec` is "opus", "PCMU", "PCMA" or "PCM24" (16-bit samples at 24 kHz). Raises ValueError for any other."""

@final
class AudioEncoder:
    """One stream of frames to a client, to be run by `encode_audio`."""

    def __new__(
        cls,
        codec: str,
        sample_rate_hz: int,
        *,
        bitrate: int,
        complexity: int,
        fec: bool,
        dtx: bool,
        max_playback_hz: int,
    ) -> AudioEncoder:
        """Samples come at 8000, 16000, 24000 or 48000 Hz. Everything after that is about Opus alone.

        `bitrate` is in bit/s, `complexity` 0 (cheap) to 10. With `fec` each frame carries a coarse copy of the one
        before it once losses are reported, with `dtx` silence is sent as hardly anything; bands above what can be heard
        at `max_playback_hz` are not coded. Raises ValueError for what libopus refuses.
        """

def decode_audio(
    jobs: list[tuple[AudioDecoder, int, bytes, int, list[int]]],
) -> list[tuple[int, bool, list[bytes]]]:
    """Runs decoders, in order, without the interpreter's lock: for threads.

    A job is (decoder, kind, payload, duration in microseconds, sample rates). The kinds: 0, the payload of one RTP
    packet; 1, nothing has come, and the payload is the one that follows, if known, else empty: Opus may carry a copy of
    what is missing in it; 2, silence. The duration is 2,500 to 120,000.

    A result is (RFC 6464 level, whether the payload was no frame of the codec, samples at each rate): mono, signed 16
    bit, little-endian, exactly as many as last as long. Raises ValueError for a kind or rate that there is none of.
    """

def encode_audio(jobs: list[tuple[AudioEncoder, bytes, int, bool]]) -> list[tuple[bytes, int]]:
    """Runs encoders, in order, without the interpreter's lock: for threads.

    A job is (encoder, samples of one frame, percentage of packets that the client has lost of late, whether to forget
    what came before). A result is (payload, RFC 6464 level); the payload is empty if the samples are no frame's length.
    """

@final
class RelayThreadReport:
    """What one thread of a `RelayEngine` has counted since it was opened. Bytes are without the SPP header."""

    flows: Final[int]
    budgets: Final[tuple[float, float, float]]
    """What is left for unproven checks, proven checks and new flows, 0 to 1."""
    client_datagrams_received: Final[int]
    client_bytes_received: Final[int]
    client_datagrams_sent: Final[int]
    client_bytes_sent: Final[int]
    transceiver_datagrams_received: Final[int]
    transceiver_bytes_received: Final[int]
    transceiver_datagrams_sent: Final[int]
    transceiver_bytes_sent: Final[int]
    checks_verified: Final[int]
    synced_flows_refused: Final[int]
    """Counted by the first thread for all."""
    trains_sent: Final[int]
    """GSO sends towards transceivers."""
    train_datagrams_sent: Final[int]
    """Datagrams in them."""
    gathered: Final[int]
    """How often the thread let packets gather before it received."""
    batches: Final[list[int]]
    """Batches by their datagrams, both directions: item i counts those of at most 2**i, the last all larger ones."""
    drops: Final[list[tuple[str, int]]]
    """Every drop reason's slug and how many datagrams were discarded for it."""

@final
class RelayEngine:
    """The relay's data path: threads with sockets and flow tables of their own. See `relay.engine.native`.

    Addresses are texts, `127.0.0.1:3478` or `[::1]:3478`. Flows are bytes: the SPP header of each, joined. Methods let
    go of the interpreter's lock, and raise RuntimeError after `close` or if every thread has died.
    """

    def __new__(
        cls,
        *,
        cluster_id: int,
        listeners: list[tuple[str, str]],
        upstream: str,
        max_flows: int,
        unsynced_flow_idle_s: float,
        threads: int,
        gather_us: int,
        gather_above: int,
        max_flows_per_source: int,
        new_flows_per_s: int,
        unproven_checks_per_s: int,
        proven_checks_per_s: int,
        suspect_checks_per_s: int,
        ipv4_source_bits: int,
        ipv6_source_bits: int,
    ) -> RelayEngine:
        """Binds one upstream socket per thread and starts the threads, each pinned to a core of this process.

        `listeners`: where each public socket is bound, and the same as clients reach it (port 0: as bound).
        `upstream`: with a port other than 0, the threads have that one and those that follow.
        `threads`: 0 is one per core. `gather_us`: 0 is never. `gather_above`: packets per second of one thread.
        The limits are those of `relay.engine.limits.AdmissionLimits`.
        Raises OSError if an address cannot be bound, ValueError for one that is none or for more than 62 listeners.
        """

    def dead_threads(self) -> int:
        """How many threads have ended although nobody has closed the engine. The others go on."""

    def upstream_addresses(self) -> list[str]:
        """Where datagrams to transceivers come from, one per thread."""

    def listen(self) -> list[str]:
        """Binds the public sockets and begins to forward; returns where they are bound. Raises OSError."""

    def set_keys(self, keys: list[tuple[str, bytes, bytes]]) -> None:
        """Replaces the routing keys: config id, 16 bytes for AES, 32 for HMAC. Raises ValueError for other lengths."""

    def set_transceiver(self, transceiver_id: int, media_address: str) -> None:
        """Adds or moves a transceiver."""

    def remove_transceiver(self, transceiver_id: int) -> None:
        """Forgets a transceiver and its flows."""

    def upsert_flows(self, transceiver_id: int, flows: bytes) -> None:
        """The transceiver vouches for these."""

    def remove_flows(self, transceiver_id: int, flows: bytes) -> None:
        """The transceiver takes these back."""

    def replace_flows(self, transceiver_id: int, flows: bytes) -> None:
        """The transceiver vouches for exactly these."""

    def release_flows(self, transceiver_id: int) -> None:
        """Nobody vouches for the transceiver's flows any more."""

    def reports(self) -> list[RelayThreadReport]:
        """What each thread has counted, after all calls made before. Waits for the threads, about a millisecond."""

    def hand_over(self) -> None:
        """Takes no new datagram from clients; forwards what is queued and what transceivers send."""

    def close(self) -> None:
        """Ends the threads and closes every socket. Closing twice is harmless."""

@final
class MediaPortCounters:
    """What a `MediaPort` has counted since it was opened. Bytes are UDP payload without the SPP header."""

    datagrams_received: Final[int]
    bytes_received: Final[int]
    datagrams_sent: Final[int]
    bytes_sent: Final[int]
    drops: Final[list[tuple[str, int]]]
    """Slugs of the drop reasons that occurred, each with its count."""

_Path = TypeVar("_Path", bound=Hashable)
_Frame = TypeVar("_Frame", bound=tuple[object, ...])
_Packet = TypeVar("_Packet", bound=tuple[object, ...])
_Position: TypeAlias = tuple[int, int, int, float, float | None]

@final
class MediaPort(Generic[_Path, _Frame, _Packet]):
    """A transceiver's UDP socket towards its relays, with SPP and SRTP. See `transceiver.media_port.native_port`.

    Watch `fileno()`; when it is readable call `fill()` once and `receive()` until it gives nothing. What the `send`
    methods are given leaves with `flush()`, or before if there is much. Nothing blocks, and whatever comes from the
    network, nothing raises: it is delivered or counted. Not for use from several threads; the one it has itself, which
    sends what is scheduled, runs no Python.

    Paths are the caller's own objects, any that can be hashed and compared: those given to `bind` come back. All but
    `close` raise RuntimeError after `close`.
    """

    def __new__(
        cls, *, address: str, dscp: int, buffer_bytes: int, frame_class: type[_Frame], packet_class: type[_Packet]
    ) -> Self:
        """Binds the socket; on `[::]` it hears IPv4 relays as well.

        `buffer_bytes`: of the socket, each way; the kernel may grant less. `frame_class`: a named tuple with the fields
        payload, codec, rtp_timestamp, sequence, marker, level_dbov (or None), lost_before (always 0). `packet_class`:
        one with payload_type, marker, sequence, timestamp, ssrc, payload, extensions (dict of id to data).
        Raises OSError if it cannot be bound, ValueError for an address that is none.
        """

    def address(self) -> tuple[str, int]:
        """Where it is bound."""

    def fileno(self) -> int:
        """The socket's file descriptor, which stays the port's."""

    def accept_relays(self, addresses: list[tuple[str, int]], networks: list[tuple[str, int]]) -> None:
        """Replaces the senders that are heard; networks as host and prefix length. Raises ValueError for bad ones."""

    def bind(self, path: _Path, header: bytes, session_id: int, relay_host: str, relay_port: int) -> None:
        """Ties the path with this SPP header to a session and a relay. Raises ValueError for a bad header or host."""

    def unbind(self, path: _Path) -> None:
        """Forgets a path; one that is not bound is no error."""

    def start_srtp(self, session_id: int, profile: str, inbound: bytes, outbound: bytes) -> None:
        """Gives a session its keys, each a master key followed by its salt; they are zeroed when it stops.

        `profile` is OpenSSL's name of it. Raises ValueError for another profile or a key of another length.
        """

    def add_lane(self, session_id: int) -> None:
        """Gives a session its lane, until it stops. Without one the lane's methods do nothing."""

    def open_lane(
        self,
        session_id: int,
        path: _Path,
        codec: str,
        clock_rate: int,
        payload_type: int,
        level_id: int | None,
        ssrc: int,
        position: _Position,
    ) -> None:
        """Passes the packets of a stream on a bound path as frames until another comes.

        `position`: next sequence number, last RTP timestamp unwrapped and on the wire, jitter, last transit or None.
        Raises ValueError for a codec that is none.
        """

    def close_lane(self, session_id: int) -> None:
        """Passes no frames until the lane is opened again."""

    def take_progress(self, session_id: int) -> tuple[int, int, float, _Position] | None:
        """Packets, their bytes of payload, arrival of the last and the position now; None if nothing has passed."""

    def report_arrivals(self, session_id: int, reports: tuple[int, int, bytes] | None) -> None:
        """Tells the client when its packets come: id of the header extension, our SSRC, what precedes the feedback."""

    def stop(self, session_id: int) -> None:
        """Forgets a session's keys, lane and paths, and what waits to be sent."""

    def fill(self) -> bool:
        """Takes what waits at the socket, in one system call. True if more may be waiting."""

    def receive(
        self, now: float
    ) -> tuple[
        list[tuple[int, _Frame]],
        tuple[Literal["stun"], bytes, str, int]
        | tuple[Literal["dtls", "rtcp"], int, _Path, bytes]
        | tuple[Literal["rtp"], int, _Path, _Packet]
        | None,
    ]:
        """The next frames of lanes, each with its session, and what follows them, if it is something else.

        STUN comes as the datagram with its SPP header, and the relay's host and port; the rest with session and path.
        The batch ends there, as handling it may change what is bound: call again, until both are empty. `now`: when it
        arrived, in seconds.
        """

    def send(self, path: _Path, datagram: bytes) -> None:
        """Sends STUN or DTLS on a bound path."""

    def send_rtp(self, session_id: int, path: _Path, packet: bytes) -> None:
        """Protects and sends an RTP packet. The last 1,024 sequence numbers may be repeated with the same packet."""

    def send_rtcp(self, session_id: int, path: _Path, packet: bytes) -> None:
        """Protects and sends a compound RTCP packet."""

    def schedule_rtp(self, session_id: int, path: _Path, packet: bytes, due: float, now: float) -> bool:
        """Protects and sends an RTP packet at `due`, behind those of its session that wait, from a thread of the port.

        Times are `time.monotonic()`. It leaves up to 2 ms later, together with those of other sessions. True
        if it does not wait at all: then it leaves with `flush()`, or before the next of its session is scheduled.
        """

    def waiting(self, session_id: int) -> int:
        """How many packets of a session have been scheduled and have not left."""

    def take_back(self, session_id: int) -> int:
        """Forgets those; returns how many. They are the last that were scheduled, and will never leave."""

    def reroute(self, session_id: int, path: _Path) -> None:
        """Sends those on another path; one that is not bound changes nothing."""

    def send_feedback(self, session_id: int, path: _Path, now: float) -> None:
        """Sends what the client is still to be told of its packets, if that is due."""

    def flush(self) -> None:
        """Hands what was sent to the kernel."""

    def counters(self) -> MediaPortCounters:
        """What happened so far."""

    def close(self) -> None:
        """Closes the socket and zeroes every key. Closing twice is harmless."""
