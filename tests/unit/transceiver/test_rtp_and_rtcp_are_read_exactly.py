"""RTP and RTCP parsers: what is built is read back, and no bytes make them raise."""

from hypothesis import given
from hypothesis import strategies as st

from transceiver.session import rtcp
from transceiver.session.rtp import RtpPacket, build_extensions, build_rtp, parse_rtp
from wire.drop import DropReason

identifiers = st.integers(1, 14)
ssrcs = st.integers(0, 0xFFFF_FFFF)


@given(st.binary(max_size=100))
def test_any_bytes_are_rtp_or_malformed(data: bytes) -> None:
    assert isinstance(parse_rtp(data), RtpPacket) or parse_rtp(data) is DropReason.MALFORMED_RTP


@given(st.binary(min_size=1, max_size=80))
def test_any_bytes_after_an_extension_flag_are_rtp_or_malformed(data: bytes) -> None:
    for profile in (b"\xbe\xde", b"\x10\x00"):
        packet = b"\x90\x6f" + bytes(10) + profile + data
        assert isinstance(parse_rtp(packet), RtpPacket) or parse_rtp(packet) is DropReason.MALFORMED_RTP


@given(st.binary(max_size=100))
def test_any_bytes_are_rtcp_or_malformed(data: bytes) -> None:
    for first in (b"", b"\x81\xc8", b"\x81\xc9", b"\x82\xcb", b"\x81\xcd"):
        parsed = rtcp.parse_rtcp(first + data)
        assert isinstance(parsed, list) or parsed is DropReason.MALFORMED_RTCP


@given(
    extensions=st.one_of(
        st.dictionaries(identifiers, st.binary(min_size=1, max_size=16), max_size=4),
        st.dictionaries(st.integers(1, 255).filter(lambda id_: id_ != 15), st.binary(max_size=40), max_size=4),
    ),
    payload=st.binary(max_size=200),
    sequence=st.integers(0, 0xFFFF),
    timestamp=ssrcs,
    ssrc=ssrcs,
    marker=st.booleans(),
)
def test_rtp_round_trip(
    extensions: dict[int, bytes], payload: bytes, sequence: int, timestamp: int, ssrc: int, marker: bool
) -> None:
    packet = build_rtp(
        payload_type=111,
        marker=marker,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=payload,
        extensions=build_extensions(extensions) if extensions else b"",
    )
    assert parse_rtp(packet) == RtpPacket(111, marker, sequence, timestamp, ssrc, payload, extensions)


def test_csrcs_and_padding_are_no_payload() -> None:
    header = b"\xa2\x6f\x00\x01" + bytes(8) + bytes(8)
    packet = parse_rtp(header + b"voice" + b"\x00\x00\x03")
    assert isinstance(packet, RtpPacket)
    assert packet.payload == b"voice"


def test_padding_longer_than_the_packet_is_malformed() -> None:
    for padding in (0, 6, 255):
        assert parse_rtp(b"\xa0\x6f" + bytes(10) + b"abc" + bytes([padding])) is DropReason.MALFORMED_RTP


def test_broken_extension_element_leaves_the_payload_alone() -> None:
    packet = parse_rtp(b"\x90\x6f" + bytes(10) + b"\xbe\xde\x00\x01" + b"\x10\x05\x3f\xff" + b"voice")
    assert isinstance(packet, RtpPacket)
    assert packet.payload == b"voice"
    assert packet.extensions == {1: b"\x05"}


def test_compound_round_trip() -> None:
    block = rtcp.ReportBlock(7, 12, -3, 70_000, 15, 0xAABBCCDD, 99)
    sender = rtcp.SenderReport(5, 1 << 63 | 77, 960, 50, 4000, (block,))
    receiver = rtcp.ReceiverReport(5, (block, block))
    compound = (
        rtcp.build_sender_report(sender)
        + rtcp.build_cname(5, "cname")
        + rtcp.build_receiver_report(receiver)
        + rtcp.build_bye(5)
    )
    assert len(compound) % 4 == 0
    assert rtcp.parse_rtcp(compound) == [sender, receiver, rtcp.Bye((5,))]


def test_feedback_is_read_and_unknown_types_are_named() -> None:
    nack = bytes([0x81, 205, 0, 3]) + bytes(4) + (9).to_bytes(4, "big") + bytes(4)
    extended_report = bytes([0x80, 207, 0, 1]) + bytes(4)
    assert rtcp.parse_rtcp(nack + extended_report) == [rtcp.Feedback(205, 1, 9, bytes(4)), rtcp.Unknown(207)]


def test_truncated_compound_is_refused_as_a_whole() -> None:
    compound = rtcp.build_receiver_report(rtcp.ReceiverReport(5, ())) + rtcp.build_bye(5)
    for length in range(1, len(compound)):
        if length != 8:
            assert rtcp.parse_rtcp(compound[:length]) is DropReason.MALFORMED_RTCP
