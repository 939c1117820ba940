"""Keys travel encrypted, or not at all: plain HTTP is for this machine and for proxies that have ended TLS."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

from transceiver.signalling.errors import ApiError
from wire.address import Address


class PlainHttp:
    """Which plain requests are taken.

    Args:
        networks: CIDRs of proxies that end TLS. One that says that its own client came without is not believed to have.
        inner: where other transceivers pass requests on; what comes there has been judged where it came in.
    """

    def __init__(self, networks: Collection[str] = (), inner: Address | None = None) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(text) for text in networks]
        self._inner = inner

    def check(self, request: web.Request) -> None:
        """Refuses a request that has crossed a network in clear.

        Raises:
            ApiError: 403.
        """
        if request.secure or self._is_inner(request):
            return
        peer = _peer(request)
        if peer is not None and peer.is_loopback:
            return
        ended = request.headers.get("X-Forwarded-Proto", "https").lower() in {"https", "wss"}
        if peer is not None and ended and any(peer in network for network in self._networks):
            return
        message = (
            "Keys are taken over HTTPS only. This one has crossed the network in clear: replace it. (Operators: set "
            "tls_certificate_file, or plain_http_networks to those of the proxy that ends TLS.)"
        )
        raise ApiError(403, message, code="https_required")

    def _is_inner(self, request: web.Request) -> bool:
        if self._inner is None or request.transport is None:
            return False
        local = request.transport.get_extra_info("sockname")
        return bool(local) and local[1] == self._inner.port


def _peer(request: web.Request) -> IPv4Address | IPv6Address | None:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    if not peer:
        return None
    address = ip_address(peer[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
