"""RTCP of one session: when to report, what to say, and what the client's reports tell.

The NTP time in our reports is the session's monotonic clock: RFC 3550 section 6.4.1 allows elapsed time for a sender
whose streams need not be synchronised with anything (https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1).
"""

import math
import random
from typing import Final

from transceiver.media_port.interface import ArrivalReports
from transceiver.sdp.offer import AudioOffer
from transceiver.session.audio_receiver import AudioReceiver
from transceiver.session.audio_sender import AudioSender
from transceiver.session.nack import is_nack, missing_sequences
from transceiver.session.rtcp import (
    Bye,
    Feedback,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    Unknown,
    build_bye,
    build_cname,
    build_receiver_report,
    build_sender_report,
    parse_rtcp,
)
from wire.drop import DropReason

REPORT_INTERVAL_S: Final = 1.0
"""Mean time between reports: 150 bytes a second, 2 % of an Opus call; RFC 3550 section 6.2 allows 5 %."""

_TICK_S: Final = 0.05
"""Reports leave at multiples of it, those of many sessions with one wake-up."""
_FRACTION: Final = 1 << 32
_COMPACT_FRACTION: Final = 1 << 16


class Reporter:
    """Builds our compound packets and reads the client's."""

    def __init__(self, sender: AudioSender, receiver: AudioReceiver, cname: str, audio: AudioOffer) -> None:
        self.round_trip_s: float | None = None
        self._sender = sender
        self._receiver = receiver
        self._cname = cname
        self._next_report: float | None = None
        self._packets_at_last_report = 0
        self._last_sr: tuple[int, int, float] | None = None
        self._repeats: list[bytes] = []
        self.configure(audio)

    def configure(self, audio: AudioOffer) -> None:
        """Takes a later offer of the same client."""
        self._transport_cc_id = audio.transport_cc_id
        self._reduced_size = audio.rtcp_rsize

    def start(self, now: float) -> None:
        """Media can be sent: schedules the first report."""
        self._schedule(now)

    @property
    def arrival_reports(self) -> ArrivalReports | None:
        """How the client wants to be told when its packets come."""
        if self._transport_cc_id is None:
            return None
        return ArrivalReports(self._transport_cc_id, self._sender.ssrc, b"" if self._reduced_size else self._preamble())

    def next_timeout(self) -> float | None:
        """When the next report is due."""
        return self._next_report

    def handle_timeout(self, now: float) -> bytes | None:
        """The report that is due, if one is."""
        if self._next_report is None or now < self._next_report:
            return None
        self._schedule(now)
        return self._report(now)

    def goodbye(self, now: float) -> bytes:
        """The last report, with BYE (RFC 3550 section 6.6)."""
        self._next_report = None
        return self._report(now) + build_bye(self._sender.ssrc)

    def receive(self, compound: bytes, now: float) -> DropReason | None:
        """Takes an authentic compound packet; a reason if not all of it: malformed, unknown, or too much asked for."""
        packets = parse_rtcp(compound)
        if isinstance(packets, DropReason):
            return packets
        drop: DropReason | None = None
        for packet in packets:
            match packet:
                case SenderReport():
                    self._last_sr = (packet.ssrc, packet.ntp_time >> 16 & 0xFFFF_FFFF, now)
                    self._reports_received(packet.reports, now)
                case ReceiverReport():
                    self._reports_received(packet.reports, now)
                case Feedback() if is_nack(packet):
                    drop = self._nack_received(packet, now) or drop
                case Bye():
                    # The end of a source is not the end of the session: another may follow it.
                    self._receiver.sources_left(packet.ssrcs)
                case Feedback() | Unknown():
                    # Other feedback is about video.
                    drop = drop or DropReason.UNKNOWN_RTCP
        return drop

    def take_repeats(self) -> list[bytes]:
        """Packets of ours to be sent again."""
        repeats, self._repeats = self._repeats, []
        return repeats

    def _nack_received(self, nack: Feedback, now: float) -> DropReason | None:
        if nack.media_ssrc != self._sender.ssrc:
            return None
        missing = missing_sequences(nack.control_information)
        packets, refused = self._sender.repeat(missing, now, self.round_trip_s or 0.0)
        self._repeats += packets
        return DropReason.RATE_LIMITED if refused else None

    def _reports_received(self, blocks: tuple[ReportBlock, ...], now: float) -> None:
        for block in blocks:
            if block.ssrc != self._sender.ssrc:
                continue
            self._sender.report_received(block)
            if block.lsr:
                elapsed = (int(now * _COMPACT_FRACTION) - block.lsr - block.dlsr) & 0xFFFF_FFFF
                # A report that claims to come from the future (by its own DLSR) says nothing about the path.
                if elapsed < _FRACTION // 2:
                    self.round_trip_s = elapsed / _COMPACT_FRACTION

    def _schedule(self, now: float) -> None:
        # RFC 3550 section 6.3.1: spread over half to one and a half of the interval, so that sessions do not
        # synchronise.
        due = now + REPORT_INTERVAL_S * random.uniform(0.5, 1.5)  # noqa: S311  # spreads load, hides nothing
        self._next_report = math.ceil(due / _TICK_S) * _TICK_S

    def _report(self, now: float) -> bytes:
        block = self._receiver.report(*self._last_sender_report(now))
        blocks = (block,) if block is not None else ()
        ssrc, sent = self._sender.ssrc, self._sender.packets_sent
        if sent > self._packets_at_last_report:
            timestamp = self._sender.timestamp_at(now)
            octets = self._sender.octets_sent % _FRACTION
            report = build_sender_report(
                SenderReport(ssrc, int(now * _FRACTION), timestamp, sent % _FRACTION, octets, blocks)
            )
        else:
            report = build_receiver_report(ReceiverReport(ssrc, blocks))
        self._packets_at_last_report = sent
        return report + build_cname(ssrc, self._cname)

    def _preamble(self) -> bytes:
        # Without reduced size each packet begins with a report and a CNAME (RFC 3550 section 6.1). This one is empty:
        # loss is told, and its interval ended, by the regular ones.
        ssrc = self._sender.ssrc
        return build_receiver_report(ReceiverReport(ssrc, ())) + build_cname(ssrc, self._cname)

    def _last_sender_report(self, now: float) -> tuple[int, int]:
        """LSR and DLSR for a report on the current stream."""
        if self._last_sr is None or self._last_sr[0] != self._receiver.ssrc:
            return 0, 0
        _, lsr, arrived_at = self._last_sr
        return lsr, min(int((now - arrived_at) * _COMPACT_FRACTION), _FRACTION - 1)
