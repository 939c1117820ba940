"""Whatever bytes arrive, a parser of `wire` answers; what it accepts, it can write again."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from wire import demux, spp, stun
from wire.address import Address, format_address, pack_host, parse_address, unpack_host
from wire.drop import DropReason
from wire.ufrag import KeyRing, RouteKey, RouteToken

# No deadline: how long an example takes says nothing here. Derandomised: a run repeats exactly.
PROPERTY = settings(deadline=None, derandomize=True)

RING = KeyRing(RouteKey("A", bytes(range(32))))

TOKENS = st.builds(RouteToken, st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**48 - 1))
HOSTS = st.binary(min_size=16, max_size=16).map(unpack_host) | st.binary(min_size=4, max_size=4).map(unpack_host)
ADDRESSES = st.builds(Address, HOSTS, st.integers(0, 0xFFFF))


def stun_message(body: bytes, message_type: int = 0x0001) -> bytes:
    """Put a well-formed header in front of a body, so that any bytes reach the attribute parser."""
    body = body[: len(body) & ~3]
    return message_type.to_bytes(2, "big") + len(body).to_bytes(2, "big") + bytes.fromhex("2112a442") + bytes(12) + body


def attribute(attribute_type: int, value: bytes) -> bytes:
    return attribute_type.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)


# Mostly well-formed attributes of the types that matter, so that examples get past the first check.
ATTRIBUTES = st.builds(
    attribute,
    st.sampled_from([0x0006, 0x0008, 0x001C, 0x8028, 0x0024, 0x7FFF]),
    st.binary(max_size=40) | st.binary(min_size=20, max_size=20) | st.just(b"local:remote"),
)
STUN_MESSAGES = st.builds(
    stun_message,
    st.binary(max_size=200) | st.lists(ATTRIBUTES, max_size=6).map(b"".join),
    st.just(0x0001) | st.integers(0, 0x3FFF),
)
DATAGRAMS = st.binary(max_size=1500) | STUN_MESSAGES


@PROPERTY
@given(DATAGRAMS)
@example(b"")
def test_demux_answers_any_bytes(datagram: bytes) -> None:
    assert isinstance(demux.classify(datagram), demux.Kind)


@PROPERTY
@given(DATAGRAMS, st.binary(max_size=40))
def test_stun_answers_any_bytes(datagram: bytes, password: bytes) -> None:
    parsed = stun.parse_binding_request(datagram)
    if isinstance(parsed, DropReason):
        return
    assert stun.message_class(datagram) is stun.StunClass.REQUEST
    assert parsed.transaction_id == datagram[8:20]
    assert parsed.local_ufrag + b":" + parsed.remote_ufrag in datagram[: parsed.integrity_offset]
    assert stun.verify_integrity(datagram, parsed.integrity_offset, password) is False


@PROPERTY
@given(st.binary(max_size=64), st.text(max_size=64))
def test_ufrag_and_call_id_answer_anything(ufrag: bytes, call_id: str) -> None:
    # Nobody guesses a block whose 32-bit check is zero.
    assert isinstance(RING.decode_ufrag(ufrag), DropReason)
    assert isinstance(RING.decode_call_id(call_id), DropReason)
    assert isinstance(RING.decode_call_id("rtc_" + call_id), DropReason)


@PROPERTY
@given(st.binary(max_size=100), st.booleans())
def test_spp_answers_any_bytes_and_writes_back_what_it_read(datagram: bytes, with_magic: bool) -> None:
    if with_magic:
        datagram = b"\x56\xec" + datagram
    header = spp.decode_header(datagram)
    if isinstance(header, DropReason):
        assert len(datagram) < spp.HEADER_BYTES or not datagram.startswith(b"\x56\xec")
    else:
        assert spp.encode_header(*header) == datagram[: spp.HEADER_BYTES]


@PROPERTY
@given(ADDRESSES, ADDRESSES, st.binary(max_size=64))
def test_spp_round_trips(client: Address, proxy: Address, payload: bytes) -> None:
    assert spp.decode_header(spp.encode_header(client, proxy) + payload) == spp.SppHeader(client, proxy)


@PROPERTY
@given(ADDRESSES)
def test_addresses_round_trip_as_text_and_as_bytes(address: Address) -> None:
    assert parse_address(format_address(address)) == address
    assert unpack_host(pack_host(address.host)) == address.host


@PROPERTY
@given(st.text(max_size=50))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert parse_address(format_address(address)) == address


@PROPERTY
@given(TOKENS)
def test_tokens_round_trip_as_ufrag_and_as_call_id(token: RouteToken) -> None:
    ufrag = RING.mint_ufrag(token)
    assert RING.decode_ufrag(ufrag.encode()) == token
    assert RING.decode_call_id(RING.mint_call_id(token)) == token
    assert len(ufrag) == 23
    assert len(RING.ice_pwd(ufrag)) == 24
