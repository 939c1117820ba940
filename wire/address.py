"""Transport addresses, as text and as the 16 bytes that the wire carries.

An IPv4 host travels as an IPv4-mapped IPv6 address, [RFC 4291 §2.5.5.2](https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2):

```
 0                   10                  12                  16
+-------------------+-------------------+-------------------+
|   80 zero bits    |     0xFFFF        |   IPv4 address    |
+-------------------+-------------------+-------------------+
```

Every host has one spelling here: IPv4 dotted, IPv6 in the canonical text of
[RFC 5952](https://www.rfc-editor.org/rfc/rfc5952), and an IPv4-mapped address as the IPv4 address it maps. So two
`Address` values are equal exactly when they name the same endpoint.
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

HOST_BYTES = 16

_IPV4_MAPPED_PREFIX = bytes(10) + b"\xff\xff"


class Address(NamedTuple):
    """One end of a UDP flow: a numeric host (IPv6 without brackets) and a port, 0 to 65535."""

    host: str
    port: int


def parse_address(text: str) -> Address:
    """Read `127.0.0.1:3478` or `[::1]:3478`; the host comes out in its one spelling.

    Raises ValueError for a host name, a missing port, an IPv6 host without brackets, or a port above 65535.
    """
    host, colon, port_text = text.rpartition(":")
    if not colon:
        raise ValueError(f"address {text!r} has no port; write it as 127.0.0.1:3478 or [::1]:3478")
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 and int(port_text) <= 0xFFFF):
        raise ValueError(f"address {text!r} does not end in a port between 0 and 65535")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if bracketed != (":" in host):
        raise ValueError(f"address {text!r}: exactly an IPv6 host is written in brackets, as in [::1]:3478")
    return Address(unpack_host(pack_host(host)), int(port_text))


def format_address(address: Address) -> str:
    """Write an address so that `parse_address` reads it back: IPv6 hosts get brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def pack_host(host: str) -> bytes:
    """Return the 16 bytes of a numeric host, IPv4 as `::ffff:a.b.c.d`.

    Raises ValueError for anything but a numeric IPv4 or IPv6 address; a zone (`fe80::1%eth0`) is not part of one.
    """
    try:
        if ":" in host:
            return inet_pton(AF_INET6, host)
        return _IPV4_MAPPED_PREFIX + inet_pton(AF_INET, host)
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate, which no C string can hold
        raise ValueError(f"{host!r} is not a numeric IPv4 or IPv6 address") from None


def unpack_host(data: bytes) -> str:
    """Return the text of a host from its 16 bytes, or from the 4 bytes of a bare IPv4 address.

    Raises ValueError for any other number of bytes.
    """
    if len(data) == HOST_BYTES:
        if data[:12] == _IPV4_MAPPED_PREFIX:
            return inet_ntop(AF_INET, data[12:])
        return inet_ntop(AF_INET6, data)
    if len(data) == 4:
        return inet_ntop(AF_INET, data)
    raise ValueError(f"a host is 4 or 16 bytes, not {len(data)}")
