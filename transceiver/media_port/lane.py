"""The lane of one session: what the `python` media port does by itself with its RTP. Sans-IO.

Nearly every packet of a call is the next one of the client's audio, on the path where the last one came. The session
has nothing to decide about such a packet, so it opens the lane where its stream stands, and the port passes packets as
finished frames from there on. The first packet that is anything else (late, early, of another source, path or payload
type) closes the lane and goes to the session, which asks what has passed, judges the packet, and opens the lane again.

    closed ──open──▶ open ──next packet──▶ a frame to the sink, counted
       ▲               │
       └──other packet─┘  to the sink as RTP

The port also notes when packets came, by their transport-wide sequence numbers, and tells the client: with the first
packet that comes FEEDBACK_INTERVAL_S after one that is not reported, and when the session asks.

The native port does the same in `datapath/src/media/lane.rs`.
"""

from typing import Final

from transceiver.media_port.arrivals import ArrivalLog
from transceiver.media_port.interface import ArrivalReports, LaneProgress, Path, Stream, StreamPosition
from transceiver.session.actions import AudioReceived
from transceiver.session.rtp import RtpPacket

_TIMESTAMP_RANGE: Final = 1 << 32
_HALF_RANGE: Final = 1 << 31
_SEQUENCE_RANGE: Final = 1 << 16
_JITTER_GAIN: Final = 1 / 16
_TRANSPORT_SEQUENCE_BYTES: Final = 2


class Lane:
    """See the module's docstring."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._stream: Stream | None = None
        self._reports: ArrivalReports | None = None
        self._arrivals = ArrivalLog()
        self._media_ssrc = 0
        # Of an open lane; `take_progress` makes a tuple of them.
        self._packets = self._payload_bytes = 0
        self._last_arrival = 0.0
        self._next = self._timestamp = self._wire_timestamp = 0
        self._jitter = 0.0
        self._transit: float | None = None

    def open(self, path: Path, stream: Stream, position: StreamPosition) -> None:
        """Passes the packets of `stream` that come on `path` from `position` on."""
        self._path, self._stream = path, stream
        self._next, self._timestamp, self._wire_timestamp, self._jitter, self._transit = position
        self._packets = self._payload_bytes = 0

    def close(self) -> None:
        """Passes nothing until it is opened again."""
        self._path = None

    def take_progress(self) -> LaneProgress | None:
        """What has passed since this was asked last; None if nothing has."""
        if not self._packets:
            return None
        position = StreamPosition(self._next, self._timestamp, self._wire_timestamp, self._jitter, self._transit)
        progress = LaneProgress(self._packets, self._payload_bytes, self._last_arrival, position)
        self._packets = self._payload_bytes = 0
        return progress

    def report_arrivals(self, reports: ArrivalReports | None) -> None:
        """From now on arrivals are reported so; None: not."""
        self._reports = reports

    def arrived(self, packet: RtpPacket, now: float) -> None:
        """Notes when an authentic packet has come."""
        if self._reports is None:
            return
        sequence = packet.extensions.get(self._reports.extension_id)
        if sequence is not None and len(sequence) == _TRANSPORT_SEQUENCE_BYTES:
            self._arrivals.received(int.from_bytes(sequence, "big"), now)
            self._media_ssrc = packet.ssrc

    def feedback(self, now: float) -> bytes | None:
        """The RTCP packet that is due, if one is."""
        if self._reports is None:
            return None
        feedback = self._arrivals.feedback(self._reports.sender_ssrc, self._media_ssrc, now)
        return self._reports.prefix + feedback if feedback is not None else None

    def pass_on(self, path: Path, packet: RtpPacket, now: float) -> AudioReceived | None:
        """The frame of a packet that is the next one of the stream; any other closes the lane."""
        stream, extended = self._stream, self._next
        if self._path is None or stream is None:
            return None
        payload_type, marker, sequence, rtp_timestamp, ssrc, payload, extensions = packet
        if (
            sequence != extended % _SEQUENCE_RANGE
            or ssrc != stream.ssrc
            or payload_type != stream.payload_type
            # Mostly the same object, and comparing two takes longer than all the rest.
            or (path is not self._path and path != self._path)
        ):
            self._path = None
            return None
        step = (rtp_timestamp - self._wire_timestamp + _HALF_RANGE) % _TIMESTAMP_RANGE - _HALF_RANGE
        if step > 0:
            # A timestamp may stand still (several packets of one frame); one that goes backwards is a sender's mistake.
            self._timestamp += step
        self._wire_timestamp = rtp_timestamp
        self._note_transit(now * stream.clock_rate - rtp_timestamp)
        self._next = extended + 1
        self._packets += 1
        self._payload_bytes += len(payload)
        self._last_arrival = now
        level = extensions.get(stream.level_id) if stream.level_id is not None else None
        dbov = level[0] & 0x7F if level else None
        return AudioReceived(payload, stream.codec, self._timestamp, extended, marker, dbov, 0)

    def _note_transit(self, transit: float) -> None:
        """Interarrival jitter, as `SourceStatistics` has it."""
        if self._transit is not None:
            deviation = abs(transit - self._transit)
            if deviation >= _HALF_RANGE:
                deviation = abs((transit - self._transit + _HALF_RANGE) % _TIMESTAMP_RANGE - _HALF_RANGE)
            self._jitter += (deviation - self._jitter) * _JITTER_GAIN
        self._transit = transit
