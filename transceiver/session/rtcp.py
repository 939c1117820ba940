"""RTCP packets: SR, RR, SDES and BYE both ways, and the frame of feedback; anything else is named and stepped over.

A compound packet is a row of these (RFC 3550 section 6.1, https://www.rfc-editor.org/rfc/rfc3550#section-6.1):

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |V=2|P|  count  |  packet type  |  length in 32-bit words - 1   |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                        SSRC of sender                         |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

Report block (section 6.4.1):

    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                   SSRC that is reported on                    |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    | fraction lost |       cumulative number of packets lost       |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |           extended highest sequence number received           |
    |                      interarrival jitter                      |
    |                         last SR (LSR)                         |
    |                   delay since last SR (DLSR)                  |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
"""

from struct import Struct
from typing import NamedTuple

from wire.drop import DropReason

SR, RR, SDES, BYE, TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK = 200, 201, 202, 203, 205, 206

_HEADER = Struct("!BBHI")
_SENDER_INFO = Struct("!QIII")
_REPORT = Struct("!IIIIII")
_SDES_CNAME = 1


class ReportBlock(NamedTuple):
    """What a receiver says about one source. `jitter` is in the source's clock, `lsr` and `dlsr` in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    lsr: int
    dlsr: int


class SenderReport(NamedTuple):
    """SR; `ntp_time` is 32.32 fixed-point seconds."""

    ssrc: int
    ntp_time: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...]


class ReceiverReport(NamedTuple):
    """RR."""

    ssrc: int
    reports: tuple[ReportBlock, ...]


class Bye(NamedTuple):
    """BYE, with the sources that leave."""

    ssrcs: tuple[int, ...]


class Feedback(NamedTuple):
    """Feedback of RFC 4585 section 6.1: packet type, format, the source it is about, and what it says of it."""

    packet_type: int
    format: int
    media_ssrc: int
    control_information: bytes


class Unknown(NamedTuple):
    """A packet of a type that is not known here, such as APP or XR."""

    packet_type: int


RtcpPacket = SenderReport | ReceiverReport | Bye | Feedback | Unknown


def parse_rtcp(compound: bytes) -> list[RtcpPacket] | DropReason:
    """Reads a compound (or reduced-size, RFC 5506) packet; SDES is left out.

    MALFORMED_RTCP if any part does not fit its length: then nothing of it is believed.
    """
    packets: list[RtcpPacket] = []
    position = 0
    while position < len(compound):
        if len(compound) - position < 4:
            return DropReason.MALFORMED_RTCP
        first, packet_type = compound[position], compound[position + 1]
        end = position + 4 + 4 * int.from_bytes(compound[position + 2 : position + 4], "big")
        if first >> 6 != 2 or end > len(compound):
            return DropReason.MALFORMED_RTCP
        packet = _parse_one(packet_type, first & 0x1F, compound[position + 4 : end])
        if isinstance(packet, DropReason):
            return packet
        if packet is not None:
            packets.append(packet)
        position = end
    return packets if compound else DropReason.MALFORMED_RTCP


def _parse_one(packet_type: int, count: int, body: bytes) -> RtcpPacket | DropReason | None:
    match packet_type:
        case 200:
            return _parse_sender_report(count, body)
        case 201:
            return _parse_receiver_report(count, body)
        case 203:
            if len(body) < 4 * count:
                return DropReason.MALFORMED_RTCP
            return Bye(tuple(int.from_bytes(body[4 * index : 4 * index + 4], "big") for index in range(count)))
        case 205 | 206:
            if len(body) < 8:
                return DropReason.MALFORMED_RTCP
            return Feedback(packet_type, count, int.from_bytes(body[4:8], "big"), body[8:])
        case 202:
            return None
        case _:
            return Unknown(packet_type)


def _parse_sender_report(count: int, body: bytes) -> SenderReport | DropReason:
    if len(body) < 24 + _REPORT.size * count:
        return DropReason.MALFORMED_RTCP
    ntp_time, rtp_timestamp, packets, octets = _SENDER_INFO.unpack_from(body, 4)
    ssrc = int.from_bytes(body[:4], "big")
    return SenderReport(ssrc, ntp_time, rtp_timestamp, packets, octets, _parse_reports(count, body, 24))


def _parse_receiver_report(count: int, body: bytes) -> ReceiverReport | DropReason:
    if len(body) < 4 + _REPORT.size * count:
        return DropReason.MALFORMED_RTCP
    return ReceiverReport(int.from_bytes(body[:4], "big"), _parse_reports(count, body, 4))


def _parse_reports(count: int, body: bytes, start: int) -> tuple[ReportBlock, ...]:
    reports = []
    for index in range(count):
        ssrc, lost, highest, jitter, lsr, dlsr = _REPORT.unpack_from(body, start + index * _REPORT.size)
        cumulative = lost & 0xFF_FFFF
        # A 24-bit signed number: duplicates can make it negative.
        cumulative -= (cumulative & 0x80_0000) << 1
        reports.append(ReportBlock(ssrc, lost >> 24, cumulative, highest, jitter, lsr, dlsr))
    return tuple(reports)


def build_sender_report(report: SenderReport) -> bytes:
    """Writes an SR."""
    info = _SENDER_INFO.pack(report.ntp_time, report.rtp_timestamp, report.packet_count, report.octet_count)
    return _packet(SR, len(report.reports), report.ssrc, info + _build_reports(report.reports))


def build_receiver_report(report: ReceiverReport) -> bytes:
    """Writes an RR."""
    return _packet(RR, len(report.reports), report.ssrc, _build_reports(report.reports))


def build_cname(ssrc: int, cname: str) -> bytes:
    """Writes an SDES packet with one CNAME item (RFC 3550 section 6.5.1)."""
    text = cname.encode()
    item = bytes([_SDES_CNAME, len(text)]) + text
    # A list of items ends with at least one zero, at a 32-bit boundary.
    return _packet(SDES, 1, ssrc, item + bytes(4 - len(item) % 4))


def build_bye(ssrc: int) -> bytes:
    """Writes a BYE of one source."""
    return _packet(BYE, 1, ssrc, b"")


def _packet(packet_type: int, count: int, ssrc: int, rest: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, packet_type, 1 + len(rest) // 4, ssrc) + rest


def _build_reports(reports: tuple[ReportBlock, ...]) -> bytes:
    return b"".join(
        _REPORT.pack(
            report.ssrc,
            report.fraction_lost << 24 | report.cumulative_lost & 0xFF_FFFF,
            report.highest_sequence,
            report.jitter,
            report.lsr,
            report.dlsr,
        )
        for report in reports
    )
