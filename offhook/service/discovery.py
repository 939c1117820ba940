"""Where the other processes are: configured targets in, gRPC targets out, DNS followed.

| configured        | means                                                                                    |
| ----------------- | ---------------------------------------------------------------------------------------- |
| `127.0.0.1:7000`  | that address; IPv6 as `[::1]:7000`                                                       |
| `unix:/path/sock` | that Unix socket                                                                         |
| `dns:name:7000`   | every A and AAAA record of the name, each a target of its own: a headless Service's pods |

gRPC could resolve names itself, but would then pick one of the addresses, and the fabric needs each of them.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import structlog

from wire.address import Address, format_address, parse_address

_log = structlog.get_logger(__name__)


class _DnsName(NamedTuple):
    host: str
    port: int


async def watch_targets(targets: Sequence[str], interval_s: float = 5.0) -> AsyncIterator[frozenset[str]]:
    """Yield the gRPC targets of `targets` at once, then whenever they have changed. Never ends.

    Names are resolved again every `interval_s`. A name that does not resolve contributes what it last resolved to:
    at first nothing. A name that resolves to nothing new is no change.

    Raises:
        ValueError: a target is not written as in the module's docstring.
    """
    fixed = frozenset(target for target in targets if isinstance(parse_target(target), str))
    resolved: dict[_DnsName, frozenset[str]] = {
        name: frozenset() for name in map(parse_target, targets) if isinstance(name, _DnsName)
    }
    failing: set[_DnsName] = set()
    yielded: frozenset[str] | None = None
    while True:
        for name in resolved:
            found = await _resolve(name)
            if found is not None:
                resolved[name] = found
                failing.discard(name)
            elif name not in failing:
                failing.add(name)
                _log.warning(
                    "a name does not resolve; keeping what it last resolved to",
                    name=name.host,
                )
        current = fixed.union(*resolved.values())
        if current != yielded:
            yielded = current
            yield current
        await asyncio.sleep(interval_s)


def parse_target(target: str) -> str | _DnsName:
    """Return a fixed target as gRPC takes it, or the name to resolve.

    Raises:
        ValueError: it is not written as in the module's docstring.
    """
    scheme, _, rest = target.partition(":")
    if scheme == "unix":
        if not rest.startswith("/"):
            raise ValueError(f"target {target!r}: a Unix socket is written unix:/absolute/path")
        return target
    if scheme == "dns":
        host, _, port = rest.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 0xFFFF):
            raise ValueError(f"target {target!r}: a name is written dns:name:port")
        return _DnsName(host, int(port))
    try:
        return format_address(parse_address(target))
    except ValueError:
        raise ValueError(f"target {target!r} must be ip:port, unix:/path or dns:name:port") from None


async def _resolve(name: _DnsName) -> frozenset[str] | None:
    """All addresses of a name as gRPC targets; None if it does not resolve now."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # no such name now; not a name that DNS can carry
        return None
    return frozenset(format_address(Address(str(sockaddr[0]), int(sockaddr[1]))) for *_, sockaddr in found)
