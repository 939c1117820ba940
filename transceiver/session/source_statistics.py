"""What RFC 3550 counts about one source: extended sequence numbers, loss, jitter, and the report block made of them.

https://www.rfc-editor.org/rfc/rfc3550#appendix-A.3, https://www.rfc-editor.org/rfc/rfc3550#appendix-A.8
"""

from typing import Final

from transceiver.media_port.interface import LaneProgress
from transceiver.session.rtcp import ReportBlock

_SEQUENCE_RANGE: Final = 1 << 16
_TIMESTAMP_RANGE: Final = 1 << 32
_HALF_TIMESTAMP_RANGE: Final = 1 << 31
_MAX_DROPOUT: Final = 3000
"""RFC 3550 appendix A.1: a leap beyond that is a sender that started anew, not loss."""
_JITTER_GAIN: Final = 1 / 16


class SourceStatistics:
    """One SSRC, from its first packet on.

    Args:
        ssrc: the source.
        sequence: of its first packet.
        clock_rate: of its timestamps, in Hz.
        now: when that packet arrived.
    """

    def __init__(self, ssrc: int, sequence: int, clock_rate: int, now: float) -> None:
        self.ssrc = ssrc
        self.highest = sequence
        self.last_arrival = now
        self.jitter = 0.0
        """Interarrival jitter (RFC 3550 section 6.4.1), in clock units."""
        self._clock_rate = clock_rate
        self._base = sequence
        self._received = 0
        self._lost_before_base = 0
        self._reported_expected = 0
        self._reported_received = 0
        self.transit: float | None = None
        """The last packet's arrival less its timestamp, in clock units; None if no packet has told it."""

    @property
    def lost(self) -> int:
        """Expected minus received; negative after duplicates."""
        return self._lost_before_base + self._expected - self._received

    @property
    def _expected(self) -> int:
        return self.highest - self._base + 1

    def extend(self, sequence: int) -> int:
        """A sequence number plus the wraps before it, by the smallest distance from the highest one seen."""
        distance = (sequence - self.highest) % _SEQUENCE_RANGE
        return self.highest + (distance if distance < _SEQUENCE_RANGE // 2 else distance - _SEQUENCE_RANGE)

    def is_new_start(self, extended: int) -> bool:
        """Whether the sender has leapt in its own numbering."""
        return extended - self.highest > _MAX_DROPOUT

    def arrived(self, extended: int, timestamp: int | None, now: float) -> None:
        """Counts a packet that is part of the stream; `timestamp` is None if it does not say when it was sent."""
        if self.is_new_start(extended):
            self._lost_before_base = self.lost
            self._base = extended
            self._received = self._reported_expected = self._reported_received = 0
        self.highest = max(self.highest, extended)
        self._received += 1
        self.last_arrival = now
        if timestamp is not None:
            self._note_transit(now * self._clock_rate - timestamp)

    def arrived_in_order(self, progress: LaneProgress) -> None:
        """Counts packets that came one after the other, the first of them after the highest one."""
        self.highest = max(self.highest, progress.position.next_sequence - 1)
        self._received += progress.packets
        self.last_arrival = progress.last_arrival
        self.jitter, self.transit = progress.position.jitter, progress.position.transit

    def _note_transit(self, transit: float) -> None:
        if self.transit is not None:
            deviation = abs(transit - self.transit)
            if deviation >= _HALF_TIMESTAMP_RANGE:
                # Modulo the timestamp's range: the difference of two transits is small, whatever has wrapped.
                half = _HALF_TIMESTAMP_RANGE
                deviation = abs((transit - self.transit + half) % _TIMESTAMP_RANGE - half)
            self.jitter += (deviation - self.jitter) * _JITTER_GAIN
        self.transit = transit

    def report(self, lsr: int, dlsr: int) -> ReportBlock:
        """A report block; its fraction is that since the last one."""
        expected = self._expected - self._reported_expected
        lost = expected - (self._received - self._reported_received)
        self._reported_expected, self._reported_received = self._expected, self._received
        fraction = min((lost << 8) // expected, 255) if expected > 0 and lost > 0 else 0
        cumulative = max(-(1 << 23), min(self.lost, (1 << 23) - 1))
        return ReportBlock(self.ssrc, fraction, cumulative, self.highest % (1 << 32), int(self.jitter), lsr, dlsr)
