"""Offers made to be dear: refused or answered, with work in proportion to their length."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.webrtc_client import WebRtcClient
from transceiver.sdp.errors import OfferError
from transceiver.sdp.lines import MAX_SDP_BYTES
from transceiver.sdp.offer import parse_offer

STEPS_PER_BYTE = 8
"""Lines of Python that are run for one byte of an offer, at the very most; a usual offer takes one."""
LONGEST_REFUSAL = 300
OFFER = WebRtcClient().offer()
HEAD, _, TAIL = OFFER.partition("a=rtcp-mux")

NUMBERS = st.one_of(
    st.integers(-1, 300).map(str),
    st.integers(0, 1 << 70).map(str),
    st.integers(4000, 20_000).map(lambda length: "9" * length),
    st.sampled_from(["", "0x1", "1e9", "\u0663", "\u00b2", "1/2", "-0", "+1", " 1"]),
)
LINES = st.one_of(
    st.builds("a={}:{} {}".format, st.sampled_from(["ssrc", "rtpmap", "extmap", "fmtp", "rtcp-fb"]), NUMBERS, NUMBERS),
    st.builds("a=rtpmap:{} opus/{}/{}".format, NUMBERS, NUMBERS, NUMBERS),
    st.builds("a=extmap:{}/sendrecv urn:ietf:params:rtp-hdrext:sdes:mid".format, NUMBERS),
    st.builds("a=fmtp:111 maxaveragebitrate={};minptime={}".format, NUMBERS, NUMBERS),
    st.builds("a={}:{}".format, st.sampled_from(["ptime", "maxptime", "max-message-size", "mid", "setup"]), NUMBERS),
    st.builds("a=fingerprint:sha-256 {}".format, st.text("0:aF", max_size=200)),
    st.builds("a=group:BUNDLE {}".format, st.lists(NUMBERS, max_size=20).map(" ".join)),
    st.builds("m=audio {} UDP/TLS/RTP/SAVPF {}".format, NUMBERS, st.lists(NUMBERS, max_size=20).map(" ".join)),
    st.builds("m=application {} UDP/DTLS/SCTP {}".format, NUMBERS, NUMBERS),
)


def steps(action: Callable[[], object]) -> int:
    """How many lines of Python `action` runs, which no other load on the machine changes."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401 - what settrace wants
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def read(sdp: str) -> str | None:
    """Why an offer is refused."""
    try:
        parse_offer(sdp)
    except OfferError as error:
        return str(error)
    return None


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(LINES, st.integers(1, 4000)), min_size=1, max_size=6), st.booleans())
def test_any_bomb(lines: list[tuple[str, int]], at_the_end: bool) -> None:
    bomb = "\r\n".join("\r\n".join([line] * min(count, 1 + 9000 // len(line))) for line, count in lines)
    sdp = f"{OFFER}{bomb}\r\n" if at_the_end else f"{HEAD}{bomb}\r\na=rtcp-mux{TAIL}"
    sdp = sdp[:MAX_SDP_BYTES]
    assert steps(lambda: read(sdp)) < STEPS_PER_BYTE * len(sdp)
    assert len(read(sdp) or "") < LONGEST_REFUSAL


@pytest.mark.parametrize("line", ["a=ssrc:{}", "a=rtpmap:{} opus/48000/2", "a=extmap:{} urn:x", "a=ptime:{}"])
def test_a_number_of_thousands_of_digits_is_no_number(line: str) -> None:
    assert parse_offer(f"{HEAD}{line.format('1' * 5000)}\r\na=rtcp-mux{TAIL}") == parse_offer(OFFER)


def test_the_steps_of_a_usual_offer_are_few() -> None:
    assert steps(lambda: read(OFFER)) < STEPS_PER_BYTE * len(OFFER)
