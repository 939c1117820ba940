"""Answers to connectivity checks are, byte for byte, those of a STUN library, and it accepts them."""

from ipaddress import IPv4Address, IPv6Address

from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from transceiver.session.stun_response import build_role_conflict, build_success, build_unknown_attributes
from wire.address import Address

hosts = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(st.binary(min_size=12, max_size=12), hosts, st.integers(0, 65_535), st.binary(min_size=22, max_size=256))
def test_success(transaction_id: bytes, host: IPv4Address | IPv6Address, port: int, password: bytes) -> None:
    expected = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction_id)
    expected.attributes["XOR-MAPPED-ADDRESS"] = (str(host), port)
    expected.add_message_integrity(password)
    built = build_success(transaction_id, Address(str(host), port), password)
    assert built == bytes(expected)
    read = stun.parse_message(built)
    assert read.check_message_integrity(password)
    assert read.attributes["XOR-MAPPED-ADDRESS"] == (str(host), port)


@given(st.binary(min_size=12, max_size=12), st.binary(min_size=22, max_size=256))
def test_role_conflict(transaction_id: bytes, password: bytes) -> None:
    attributes = {"ERROR-CODE": (487, "Role Conflict")}
    expected = stun.Message(stun.Method.BINDING, stun.Class.ERROR, transaction_id, attributes)
    expected.add_message_integrity(password)
    assert build_role_conflict(transaction_id, password) == bytes(expected)


@given(st.lists(st.integers(0, 0x7FFF), min_size=1, max_size=8, unique=True), st.binary(min_size=22, max_size=256))
def test_unknown_attributes_are_named(types: list[int], password: bytes) -> None:
    built = build_unknown_attributes(bytes(12), types, password)
    read = stun.parse_message(built)
    assert read.check_message_integrity(password)
    assert read.attributes["ERROR-CODE"] == (420, "Unknown Attribute")
    # Behind the header and the error code; aioice does not know it.
    offset = 20 + 4 + 4 + 20
    assert built[offset : offset + 4] == bytes([0, 0x0A, 0, 2 * len(types)])
    named = built[offset + 4 : offset + 4 + 2 * len(types)]
    assert [int.from_bytes(named[index : index + 2], "big") for index in range(0, len(named), 2)] == types
