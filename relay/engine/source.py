"""Who counts as one sender: an IPv4 address or an IPv6 network."""

from wire.address import HOST_BYTES, Address, pack_host

_IPV4_BYTES = 4


class SourcePrefix:
    """Takes addresses to the prefixes that limits apply to.

    Args:
        ipv4_bits: 0 to 32.
        ipv6_bits: 0 to 128.
    """

    def __init__(self, ipv4_bits: int, ipv6_bits: int) -> None:
        self._ipv4_mask = _mask(8 * (HOST_BYTES - _IPV4_BYTES) + ipv4_bits)
        self._ipv6_mask = _mask(ipv6_bits)

    def of(self, client: Address) -> bytes:
        """The client's host as 16 bytes, of which the prefix is left."""
        mask = self._ipv6_mask if ":" in client.host else self._ipv4_mask
        return (int.from_bytes(pack_host(client.host), "big") & mask).to_bytes(HOST_BYTES, "big")


def _mask(bits: int) -> int:
    whole = 8 * HOST_BYTES
    return (1 << whole) - (1 << (whole - bits))
