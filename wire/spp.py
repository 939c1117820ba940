"""Simple Proxy Protocol: the header in front of every datagram between relay and transceiver, in both directions.

The format is [Cloudflare Spectrum's](https://developers.cloudflare.com/spectrum/reference/simple-proxy-protocol-header/).
All fields are in network byte order:

```
 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|        magic 0x56EC           |                               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
|                                                               |
+               client address (16 bytes)                       +
|                                                               |
+                                                               +
|                                                               |
+                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                               |                               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
|                                                               |
+               proxy address (16 bytes)                        +
|                                                               |
+                                                               +
|                                                               |
+                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                               |          client port          |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|          proxy port           |  the client's datagram ...
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
```

`client` is the far end as the relay saw it; `proxy` is the relay's public address that it was talking to. Upstream they
say where the datagram came from; downstream they say where the relay sends it, and from which of its addresses.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from wire.address import Address, pack_host, unpack_host
from wire.drop import DropReason

HEADER_BYTES: Final = 38

_MAGIC: Final = 0x56EC
_HEADER: Final = Struct("!H16s16sHH")


class SppHeader(NamedTuple):
    """The two ends of a client's flow. Also the key under which both roles keep it."""

    client: Address
    proxy: Address


def encode_header(client: Address, proxy: Address) -> bytes:
    """Return the 38 bytes that go in front of the datagram.

    Raises ValueError when a host is not numeric or a port is outside 0..65535.
    """
    for address in (client, proxy):
        if not 0 <= address.port <= 0xFFFF:
            raise ValueError(f"port {address.port} is outside 0..65535")
    return _HEADER.pack(_MAGIC, pack_host(client.host), pack_host(proxy.host), client.port, proxy.port)


def decode_header(datagram: bytes) -> SppHeader | DropReason:
    """Read the header at the start of a datagram; the client's datagram is `datagram[HEADER_BYTES:]`, perhaps empty.

    Returns MALFORMED_SPP when the datagram is shorter than a header or does not begin with the magic.
    """
    if len(datagram) < HEADER_BYTES:
        return DropReason.MALFORMED_SPP
    magic, client_host, proxy_host, client_port, proxy_port = _HEADER.unpack_from(datagram)
    if magic != _MAGIC:
        return DropReason.MALFORMED_SPP
    return SppHeader(Address(unpack_host(client_host), client_port), Address(unpack_host(proxy_host), proxy_port))
