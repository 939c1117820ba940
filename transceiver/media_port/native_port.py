"""The `native` media port: sockets and SRTP in Rust (`datapath/src/media`), behind the interface of the readable one.

The event loop watches the socket. At each wake-up one call takes what waits there, trains and all, everything is
decrypted in batches, and the sink sees frame after frame. What it sends meanwhile is collected and leaves at the end
of the wake-up, sessions to one relay together; what is sent at other times leaves at the end of the loop's turn.

What is scheduled leaves by a thread of the port, on time whatever the loop is doing (docs/decisions/0011).
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Literal

import structlog
from offhook_datapath import MediaPort as NativePort

from transceiver.media_port.interface import (
    EXPEDITED_FORWARDING,
    SOCKET_BUFFER_BYTES,
    ArrivalReports,
    AudioLane,
    LaneProgress,
    MediaPort,
    MediaSink,
    Network,
    Path,
    PortCounters,
    SrtpKeys,
    Stream,
    StreamPosition,
)
from transceiver.media_port.socket_watch import SocketWatch
from transceiver.session.actions import AudioReceived
from transceiver.session.rtp import RtpPacket
from wire.address import Address, format_address
from wire.drop import DropReason
from wire.spp import HEADER_BYTES, SppHeader, decode_header, encode_header

FILLS_PER_WAKE_UP = 4
"""System calls, each of up to 64 messages or trains; then timers and other sockets get their turn."""

_log = structlog.get_logger(__name__)

_Native = NativePort[Path, AudioReceived, RtpPacket]
_Other = (
    tuple[Literal["stun"], bytes, str, int]
    | tuple[Literal["dtls", "rtcp"], int, Path, bytes]
    | tuple[Literal["rtp"], int, Path, RtpPacket]
)


class NativeLane(AudioLane):
    """See `AudioLane`: one of the native port's."""

    __slots__ = ("_native", "_session_id")

    def __init__(self, native: _Native, session_id: int) -> None:
        self._native = native
        self._session_id = session_id

    def open(self, path: Path, stream: Stream, position: StreamPosition) -> None:
        """Passes a stream on from where it stands."""
        self._native.open_lane(self._session_id, path, *stream, position)

    def close(self) -> None:
        """Passes nothing until it is opened again."""
        self._native.close_lane(self._session_id)

    def take_progress(self) -> LaneProgress | None:
        """What has passed since this was asked last."""
        progress = self._native.take_progress(self._session_id)
        if progress is None:
            return None
        packets, payload_bytes, last_arrival, position = progress
        return LaneProgress(packets, payload_bytes, last_arrival, StreamPosition(*position))

    def report_arrivals(self, reports: ArrivalReports | None) -> None:
        """Tells the client when its packets come, or not."""
        self._native.report_arrivals(self._session_id, reports)


class NativeMediaPort(MediaPort):
    """See `MediaPort` and the module's docstring. Made by `open_native_port`."""

    def __init__(self, native: _Native, loop: asyncio.AbstractEventLoop) -> None:
        self._native = native
        self._loop = loop
        self._address = Address(*native.address())
        self._sink: MediaSink | None = None
        self._flushing = False
        self._closed = False
        # The hot ones, bound once.
        self._send_rtp = native.send_rtp
        self._watch = SocketWatch(loop, native.fileno(), self._read)

    @property
    def counters(self) -> PortCounters:
        """Totals since the port was opened."""
        counted = self._native.counters()
        return PortCounters(
            datagrams_received=counted.datagrams_received,
            bytes_received=counted.bytes_received,
            datagrams_sent=counted.datagrams_sent,
            bytes_sent=counted.bytes_sent,
            drops=Counter({DropReason(slug): count for slug, count in counted.drops}),
        )

    @property
    def address(self) -> Address:
        """Where the socket is bound."""
        return self._address

    def deliver_to(self, sink: MediaSink) -> None:
        """Names the sink."""
        self._sink = sink

    def accept_relays(self, addresses: Collection[Address], networks: Collection[Network] = ()) -> None:
        """Replaces the set of senders that are heard."""
        self._native.accept_relays(
            list(addresses), [(str(network.network_address), network.prefixlen) for network in networks]
        )

    def bind(self, path: Path, session_id: int, relay: Address) -> None:
        """Ties a path to its session and relay."""
        self._native.bind(path, encode_header(path.client, path.proxy), session_id, relay.host, relay.port)

    def unbind(self, path: Path) -> None:
        """Forgets a path."""
        self._native.unbind(path)

    def start_srtp(self, session_id: int, keys: SrtpKeys) -> None:
        """Gives a session its keys."""
        self._native.start_srtp(session_id, keys.profile, keys.inbound, keys.outbound)

    def lane(self, session_id: int) -> AudioLane:
        """Gives a session its lane."""
        self._native.add_lane(session_id)
        return NativeLane(self._native, session_id)

    def stop(self, session_id: int) -> None:
        """Forgets a session's keys, lane and paths, and what waits to be sent."""
        self._native.stop(session_id)

    def close(self) -> None:
        """Closes the socket; what is still to be flushed goes first."""
        if not self._closed:
            self._closed = True
            self._watch.close()
            self._native.flush()
            self._native.close()

    # To the relays

    def send(self, path: Path, datagram: bytes) -> None:
        """Sends a STUN or DTLS datagram."""
        self._native.send(path, datagram)
        if not self._flushing:
            self._flush_soon()

    def send_rtp(self, session_id: int, path: Path, packet: bytes) -> None:
        """Protects and sends an RTP packet."""
        self._send_rtp(session_id, path, packet)
        if not self._flushing:
            self._flush_soon()

    def send_rtcp(self, session_id: int, path: Path, packet: bytes) -> None:
        """Protects and sends a compound RTCP packet."""
        self._native.send_rtcp(session_id, path, packet)
        if not self._flushing:
            self._flush_soon()

    def schedule_rtp(self, session_id: int, path: Path, packet: bytes, due: float, now: float) -> None:
        """Sends an RTP packet when its time has come."""
        leaves_now = self._native.schedule_rtp(session_id, path, packet, due, now)
        if leaves_now and not self._flushing:
            self._flush_soon()

    def rtp_waiting(self, session_id: int) -> int:
        """How many have not left."""
        return self._native.waiting(session_id)

    def take_back_rtp(self, session_id: int) -> int:
        """Forgets those."""
        return self._native.take_back(session_id)

    def reroute_rtp(self, session_id: int, path: Path) -> None:
        """Sends those on another path."""
        self._native.reroute(session_id, path)

    def send_feedback(self, session_id: int, path: Path, now: float) -> None:
        """Sends what the client is still to be told of its packets."""
        self._native.send_feedback(session_id, path, now)
        if not self._flushing:
            self._flush_soon()

    def _flush_soon(self) -> None:
        """At the end of this turn of the loop, with all that is sent until then."""
        self._flushing = True
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if not self._closed:
            self._native.flush()

    # From the relays

    def _read(self, now: float) -> tuple[int, bool]:
        due, self._flushing = self._flushing, True
        count, more = 0, False
        try:
            for _ in range(FILLS_PER_WAKE_UP):
                more = self._native.fill()
                count += self._deliver(now)
                if self._closed or not more:
                    break
        finally:
            # A flush that the loop owes from before comes later and finds nothing.
            self._flushing = due
            if not self._closed:
                self._native.flush()
        return count, more

    def _deliver(self, now: float) -> int:
        """What has been taken from the socket. Returns how many datagrams were accepted."""
        sink = self._sink
        if sink is None:
            return 0
        count = 0
        receive, audio_received = self._native.receive, sink.audio_received
        while not self._closed:
            frames, other = receive(now)
            count += len(frames)
            for session_id, frame in frames:
                try:
                    audio_received(session_id, frame, now)
                except Exception:  # noqa: BLE001 - one session's fault must not cost the others of the batch their packets
                    _log.exception("media sink failed")
            if other is not None:
                count += 1
                self._deliver_other(sink, other, now)
            elif not frames:
                break
        return count

    def _deliver_other(self, sink: MediaSink, other: _Other, now: float) -> None:
        try:
            match other:
                case ("stun", datagram, host, port):
                    header = decode_header(datagram)
                    assert isinstance(header, SppHeader), "the native side has read it"
                    sink.stun_received(Path(*header), datagram[HEADER_BYTES:], Address(host, port), now)
                case ("dtls", session_id, path, datagram):
                    sink.dtls_received(session_id, path, datagram, now)
                case ("rtp", session_id, path, rtp):
                    sink.rtp_received(session_id, path, rtp, now)
                case ("rtcp", session_id, path, packet):
                    sink.rtcp_received(session_id, path, packet, now)
        except Exception:  # noqa: BLE001 - see _deliver
            _log.exception("media sink failed")


async def open_native_port(listen: Address, dscp: int = EXPEDITED_FORWARDING) -> NativeMediaPort:
    """Opens the UDP socket; port 0 picks one. See `open_python_port`.

    Raises:
        OSError: the address cannot be bound.
    """
    native: _Native = NativePort(
        address=format_address(listen),
        dscp=dscp,
        buffer_bytes=SOCKET_BUFFER_BYTES,
        frame_class=AudioReceived,
        packet_class=RtpPacket,
    )
    return NativeMediaPort(native, asyncio.get_running_loop())
