"""Answers to connectivity checks are, byte for byte, those of a STUN library, and it accepts them."""

from ipaddress import IPv4Address, IPv6Address

from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from transceiver.session.stun_success import build_success
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
