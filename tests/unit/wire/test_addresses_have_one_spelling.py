"""An endpoint has one `Address`, however it was written; text that names no numeric endpoint is refused."""

from __future__ import annotations

import pytest

from wire.address import Address, format_address, pack_host, parse_address, unpack_host
from wire.spp import encode_header

IPV4_BYTES = bytes.fromhex("00000000000000000000ffffc0000201")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:3478", Address("127.0.0.1", 3478)),
        ("0.0.0.0:0", Address("0.0.0.0", 0)),
        ("255.255.255.255:65535", Address("255.255.255.255", 65535)),
        ("[::1]:3478", Address("::1", 3478)),
        ("[::]:0", Address("::", 0)),
        ("[2001:0DB8:0:0:0:0:0:1]:443", Address("2001:db8::1", 443)),
        ("[::ffff:192.0.2.1]:443", Address("192.0.2.1", 443)),
        ("[::ffff:c000:201]:443", Address("192.0.2.1", 443)),
    ],
)
def test_text_is_read_into_the_one_spelling(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(format_address(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "127.0.0.1",
        "127.0.0.1:",
        ":3478",
        "localhost:3478",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:٣",
        "127.0.0.1:0x10",
        "127.0.0.1:000001",
        "127.1:1",
        "127.0.0.01:1",
        "256.0.0.1:1",
        "[127.0.0.1]:1",
        "::1:3478",
        "[::1]",
        "[::1]3478",
        "[::1:3478",
        "[]:1",
        "[fe80::1%lo]:1",
        "[::1]\0:1",
        "127.0.0.1\0:1",
        "\ud800:1",
        "9" * 5000 + ":1",
        "127.0.0.1:" + "9" * 5000,
    ],
)
def test_other_text_is_refused_with_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_address(text)


def test_hosts_are_sixteen_bytes() -> None:
    assert pack_host("192.0.2.1") == pack_host("::ffff:192.0.2.1") == IPV4_BYTES
    assert pack_host("::1") == bytes(15) + b"\x01"
    assert unpack_host(IPV4_BYTES) == unpack_host(IPV4_BYTES[12:]) == "192.0.2.1"


@pytest.mark.parametrize("length", [0, 3, 5, 15, 17])
def test_other_lengths_are_no_host(length: int) -> None:
    with pytest.raises(ValueError, match="4 or 16 bytes"):
        unpack_host(bytes(length))


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_header_with_an_impossible_port_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        encode_header(Address("127.0.0.1", port), Address("127.0.0.1", 1))
