"""DCEP messages against the byte layout of RFC 8832, and against any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transceiver.session.dcep import AckMessage, MalformedDcepError, OpenMessage, decode, encode_ack, encode_open

_PARAMETER = st.integers(0, 0xFFFFFFFF)
_RELIABILITY = st.one_of(st.just((None, None)), st.tuples(_PARAMETER, st.none()), st.tuples(st.none(), _PARAMETER))


def test_the_bytes_are_those_of_the_rfc() -> None:
    message = OpenMessage("hi", "p", ordered=False, max_retransmits=5)
    expected = bytes.fromhex("03 81 0000 00000005 0002 0001") + b"hip"
    assert encode_open(message) == expected
    assert encode_ack() == b"\x02"


@given(st.text(max_size=40), st.text(max_size=40), st.booleans(), _RELIABILITY)
def test_open_survives_the_round_trip(
    label: str, protocol: str, ordered: bool, reliability: tuple[int | None, int | None]
) -> None:
    message = OpenMessage(label, protocol, ordered, *reliability)
    assert decode(encode_open(message)) == message


@given(st.one_of(st.binary(max_size=64), st.binary(max_size=64).map(lambda tail: b"\x03\x00" + tail)))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        message = decode(data)
    except MalformedDcepError:
        return
    assert isinstance(message, AckMessage) or encode_open(message)[4:] == data[4:]


def test_what_does_not_fit_its_field_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_open(OpenMessage("x" * 65_536))
    with pytest.raises(ValueError, match="does not fit"):
        encode_open(OpenMessage("x", lifetime_ms=1 << 32))
