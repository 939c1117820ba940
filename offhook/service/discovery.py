"""Where the other processes are: configured targets in, addresses out, changes followed.

| configured                  | means                                                                           |
| --------------------------- | ------------------------------------------------------------------------------- |
| `127.0.0.1:7000`            | that address; IPv6 as `[::1]:7000`                                              |
| `unix:/path/sock`           | that Unix socket                                                                |
| `dns:name:7000`             | every A and AAAA record of the name: a headless Service's pods                  |
| `kubernetes:service:grpc`   | every pod behind a Service, by a port's name or number, watched: changes come   |
|                             | at once. `namespace/service` for another namespace. Watches EndpointSlices      |
| `loadbalancer:service:3478` | the addresses that a Service of type LoadBalancer was given. Watches Services   |

gRPC could resolve names itself, but would then pick one of the addresses, and the fabric needs each of them.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from offhook.service.config import ConfigError
from offhook.service.discovery_health import DiscoveryHealth, Failure
from wire.address import Address, format_address, parse_address

_SERVICE = re.compile(r"(?:(?P<namespace>[a-z0-9-]{1,63})/)?(?P<name>[a-z0-9.-]{1,253}):(?P<port>[a-z0-9-]{1,15})")


class _DnsName(NamedTuple):
    host: str
    port: int


class ServicePort(NamedTuple):
    """A port of a Service.

    Attributes:
        namespace: None is this pod's own.
        name: the Service's.
        port: its name, or its number.
    """

    namespace: str | None
    name: str
    port: str


class _Endpoints(NamedTuple):
    """Every pod behind a Service."""

    service: ServicePort


class _LoadBalancer(NamedTuple):
    """A Service as the world reaches it."""

    service: ServicePort


_Place = _DnsName | _Endpoints | _LoadBalancer


async def watch_targets(
    targets: Sequence[str], interval_s: float = 5.0, *, health: DiscoveryHealth | None = None
) -> AsyncIterator[frozenset[str]]:
    """Yield the addresses of `targets`, as gRPC takes them, at once and then whenever they have changed. Never ends.

    Names are resolved again every `interval_s`. A place that cannot be asked contributes what it last did: at first
    nothing. So an API server or a name server that is away changes nothing; `health` is told.

    Raises:
        ValueError: a target is not written as in the module's docstring.
        ConfigError: Kubernetes is to be asked, and this is no pod and has no kubeconfig.
    """
    health = health or DiscoveryHealth()
    parsed = [(parse_target(target), target) for target in targets]
    fixed = frozenset(target for target, _ in parsed if isinstance(target, str))
    places = {place: target for place, target in parsed if not isinstance(place, str)}
    latest: dict[_Place, frozenset[str]] = {}
    changed = asyncio.Event()

    async def follow(place: _Place, target: str) -> None:
        async for found in _watch(place, target, interval_s, health):
            latest[place] = found
            changed.set()

    followers = [asyncio.create_task(follow(*each), name=f"discovery of {each[1]}") for each in places.items()]
    try:
        yielded: frozenset[str] | None = None
        while True:
            changed.clear()
            current = fixed.union(*latest.values())
            if len(latest) == len(places) and current != yielded:
                yielded = current
                yield current
            await _set_or_failed(changed, followers)
    finally:
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)


async def _set_or_failed(changed: asyncio.Event, followers: Sequence[asyncio.Task[None]]) -> None:
    """Returns when the event is set; raises what ended a follower, which none should."""
    waiting = asyncio.create_task(changed.wait())
    try:
        done, _ = await asyncio.wait({waiting, *followers}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    for follower in done - {waiting}:
        follower.result()


def parse_target(target: str) -> str | _Place:
    """Return a fixed target as gRPC takes it, or the place to ask for more.

    Raises:
        ValueError: it is not written as in the module's docstring.
    """
    scheme, _, rest = target.partition(":")
    match scheme:
        case "unix":
            if not rest.startswith("/"):
                raise ValueError(f"target {target!r}: a Unix socket is written unix:/absolute/path")
            return target
        case "dns":
            return _parse_name(target, rest)
        case "kubernetes":
            return _Endpoints(_parse_service(target, scheme, rest))
        case "loadbalancer":
            service = _parse_service(target, scheme, rest)
            if not service.port.isdigit():
                raise ValueError(f"target {target!r}: the port of a load balancer is a number")
            return _LoadBalancer(service)
    try:
        return format_address(parse_address(target))
    except ValueError:
        raise ValueError(
            f"target {target!r} must be ip:port, unix:/path, dns:name:port, kubernetes:service:port or "
            "loadbalancer:service:port"
        ) from None


def _parse_name(target: str, rest: str) -> _DnsName:
    host, _, port = rest.rpartition(":")
    if not (host and _is_port(port)):
        raise ValueError(f"target {target!r}: a name is written dns:name:port")
    return _DnsName(host, int(port))


def _parse_service(target: str, scheme: str, rest: str) -> ServicePort:
    found = _SERVICE.fullmatch(rest)
    if found is None or (found["port"].isdigit() and not _is_port(found["port"])):
        raise ValueError(f"target {target!r}: a Service is written {scheme}:service:port, with namespace/ if need be")
    return ServicePort(found["namespace"], found["name"], found["port"])


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len("65535") and 0 < int(text) <= 0xFFFF


def _watch(place: _Place, target: str, interval_s: float, health: DiscoveryHealth) -> AsyncIterator[frozenset[str]]:
    if isinstance(place, _DnsName):
        return _watch_name(place, target, interval_s, health)
    try:
        # Its client costs 20 MB and 0.3 s, and is not installed everywhere.
        from offhook.service.kubernetes_watch import watch_endpoints, watch_load_balancer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError("kubernetes: and loadbalancer: targets need the extra offhook[kubernetes]") from error
    watch = watch_endpoints if isinstance(place, _Endpoints) else watch_load_balancer
    return watch(*place.service, place=target, health=health)


async def _watch_name(
    name: _DnsName, target: str, interval_s: float, health: DiscoveryHealth
) -> AsyncIterator[frozenset[str]]:
    """What a name resolves to, or last resolved to, again and again."""
    last: frozenset[str] = frozenset()
    while True:
        found = await _resolve(name)
        if found is None:
            health.failed(target, Failure.UNRESOLVED, name.host)
        else:
            health.answered(target)
            last = found
        yield last
        await asyncio.sleep(interval_s)


async def _resolve(name: _DnsName) -> frozenset[str] | None:
    """All addresses of a name as gRPC targets; None if it does not resolve now."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # no such name now; not a name that DNS can carry
        return None
    return frozenset(format_address(Address(str(sockaddr[0]), int(sockaddr[1]))) for *_, sockaddr in found)
