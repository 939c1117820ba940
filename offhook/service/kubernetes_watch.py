"""What the Kubernetes API says of a Service: listed once, then watched.

A watch that ends is resumed where it ended. Where the server no longer knows that place (410 Gone), or sends what is no
event, the list is read again. While the API server is away, what it said last holds, and it is asked again with
back-off and jitter, so that a fleet does not fall upon it when it returns.

The official client knows where the server is, who we are and how to ask. Lists and events are read here, as far as they
matter: its own models have a hundred fields, and its watch raises a bare Exception on what it cannot read.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import aiohttp
from aiohttp.http import HttpProcessingError
from kubernetes.aio import client, config
from pydantic import BaseModel, Field, ValidationError

from offhook.service.config import ConfigError
from offhook.service.discovery_health import DiscoveryHealth, Failure
from wire.address import Address, format_address

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_OK: Final = 200
_GONE: Final = 410

LIST_WITHIN_S = 10.0
WATCH_S = 300
"""The server ends a watch after this long, less jitter, and it is resumed."""
SILENCE_S = WATCH_S * 1.2
RESUME_AFTER_S = 0.2
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
DEAD_AFTER_S: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A server that vanished without a word is noticed after 25 s: a watch may be silent for minutes and be well."""


async def watch_endpoints(
    namespace: str | None, service: str, port: str, *, place: str, health: DiscoveryHealth
) -> AsyncIterator[frozenset[str]]:
    """Yield `ip:port` of every pod behind a Service, again with each change. Never ends.

    Pods that are not ready and pods that terminate are among them: a transceiver that drains still has calls, and it is
    for the link to each to find out whether it answers.

    Args:
        namespace: None is this pod's own.
        service: the Service's name.
        port: its name or number.
        place: what the configuration calls it, for `health`.

    Raises:
        ConfigError: this is no pod, and there is no kubeconfig.
    """
    async with kubernetes_client() as api:
        ask = client.DiscoveryV1Api(api).list_namespaced_endpoint_slice_without_preload_content
        selection = {"label_selector": f"kubernetes.io/service-name={service}"}
        slices = _Collection(_EndpointSlice, ask, selection, place, health)
        async for found in slices.follow(namespace or own_namespace()):
            yield frozenset(address for each in found.values() for address in each.pods(port))


async def watch_load_balancer(
    namespace: str | None, service: str, port: str, *, place: str, health: DiscoveryHealth
) -> AsyncIterator[frozenset[str]]:
    """Yield `ip:port` of a Service of type LoadBalancer as its cloud made it reachable, again with each change.

    Args:
        namespace: None is this pod's own.
        service: the Service's name.
        port: its number.
        place: what the configuration calls it, for `health`.

    Raises:
        ConfigError: this is no pod, and there is no kubeconfig.
    """
    async with kubernetes_client() as api:
        ask = client.CoreV1Api(api).list_namespaced_service_without_preload_content
        selection = {"field_selector": f"metadata.name={service}"}
        services = _Collection(_Service, ask, selection, place, health)
        async for found in services.follow(namespace or own_namespace()):
            yield frozenset(
                format_address(Address(ip, int(port))) for each in found.values() for ip in each.ingress_addresses()
            )


class _Metadata(BaseModel):
    name: str = ""
    resource_version: str = Field(alias="resourceVersion")


class _Object(BaseModel):
    metadata: _Metadata


class _Port(BaseModel):
    name: str | None = None
    port: int | None = None


class _Endpoint(BaseModel):
    addresses: list[str] = Field(min_length=1)


class _EndpointSlice(_Object):
    address_type: str = Field(alias="addressType")
    endpoints: list[_Endpoint] | None = None
    ports: list[_Port] | None = None

    def pods(self, port: str) -> Iterator[str]:
        """`ip:port` of each."""
        if self.address_type not in {"IPv4", "IPv6"}:
            return
        numbers = [each.port for each in self.ports or () if each.port and port in {each.name, str(each.port)}]
        for endpoint in self.endpoints or ():
            for number in numbers:
                # All addresses of one endpoint are the same pod: the API allows only the first to be used.
                yield format_address(Address(endpoint.addresses[0], number))


class _Ingress(BaseModel):
    ip: str | None = None


class _LoadBalancerStatus(BaseModel):
    ingress: list[_Ingress] | None = None


class _ServiceStatus(BaseModel):
    load_balancer: _LoadBalancerStatus = Field(alias="loadBalancer", default=_LoadBalancerStatus())


class _Service(_Object):
    status: _ServiceStatus = _ServiceStatus()

    def ingress_addresses(self) -> Iterator[str]:
        """The addresses that a cloud gave it."""
        for ingress in self.status.load_balancer.ingress or ():
            # A name instead of an address (some clouds) is no ICE candidate; `dns:` follows it.
            if ingress.ip:
                yield ingress.ip


class _List(BaseModel):
    metadata: _Metadata
    items: list[dict[str, Any]] | None


class _Event(BaseModel):
    type: str
    object: dict[str, Any]


class _Fault(Exception):
    """The server could not be followed further."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail


_O = TypeVar("_O", bound=_Object)


class _Collection(Generic[_O]):
    """Objects of one kind that a selection picks.

    Args:
        model: what is read of each.
        ask: the client's method that lists them, and watches; it gives the reply unread.
        selection: its arguments that pick them.
        place: what the configuration calls this, for `health`.
    """

    def __init__(
        self,
        model: type[_O],
        ask: Callable[..., Any],
        selection: Mapping[str, str],
        place: str,
        health: DiscoveryHealth,
    ) -> None:
        self._model = model
        self._ask = ask
        self._selection = selection
        self._place = place
        self._health = health

    async def follow(self, namespace: str) -> AsyncIterator[Mapping[str, _O]]:
        """Yield the objects by name, at once (none, if the server cannot be asked) and with each change."""
        objects: dict[str, _O] = {}
        version: str | None = None
        failures = 0
        while True:
            try:
                if version is None:
                    objects, version = await self._listed(namespace)
                    yield objects
                async with contextlib.aclosing(self._events(namespace, version)) as events:
                    async for event in events:
                        version = self._apply(event, objects)
                        failures = 0
                        yield objects
                failures = 0
                # Whoever ends watches at once is not asked again without a pause.
                await asyncio.sleep(RESUME_AFTER_S)
                continue
            except _Fault as error:
                fault = error
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                fault = _Fault(Failure.UNREACHABLE, type(error).__name__)
            if fault.failure in {Failure.GONE, Failure.MALFORMED}:
                # It cannot be resumed; the list is read after a back-off, lest the server says so of every list.
                version = None
            failures += 1
            self._health.failed(self._place, fault.failure, fault.detail)
            yield objects
            await asyncio.sleep(retry_after_s(failures))

    async def _listed(self, namespace: str) -> tuple[dict[str, _O], str]:
        """All of them now, and the resource version at which they are so."""
        response: aiohttp.ClientResponse = await self._ask(namespace, **self._selection, _request_timeout=LIST_WITHIN_S)
        with contextlib.closing(response):
            _check_status(response.status)
            body = await response.read()
        listed = _read(_List, body)
        objects = [_read(self._model, item) for item in listed.items or ()]
        return {each.metadata.name: each for each in objects}, listed.metadata.resource_version

    async def _events(self, namespace: str, version: str) -> AsyncGenerator[_Event]:
        """What has changed since `version`, until the server ends the watch."""
        response: aiohttp.ClientResponse = await self._ask(
            namespace,
            **self._selection,
            watch=True,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=round(WATCH_S * random.uniform(0.8, 1.0)),  # noqa: S311 - not a secret
            _request_timeout=SILENCE_S,
        )
        with contextlib.closing(response):
            _check_status(response.status)
            _notice_silence(response)
            self._health.answered(self._place)
            while line := await _next_line(response):
                event = _read(_Event, line)
                if event.type == "ERROR":
                    _check_status(event.object.get("code"))
                yield event

    def _apply(self, event: _Event, objects: dict[str, _O]) -> str:
        """Apply an event. Returns the resource version that the objects are now at."""
        metadata = _read(_Object, event.object).metadata
        match event.type:
            case "ADDED" | "MODIFIED":
                objects[metadata.name] = _read(self._model, event.object)
            case "DELETED":
                objects.pop(metadata.name, None)
        return metadata.resource_version


def retry_after_s(failures: int) -> float:
    """How long to wait after so many failures in a row: doubled each time up to a bound, less up to half of it."""
    doublings = min(failures - 1, 16)  # a day of failures has more than a float can hold
    longest_s: float = min(FIRST_RETRY_S * 2**doublings, LONGEST_RETRY_S)
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret


_M = TypeVar("_M", bound=BaseModel)


def _read(model: type[_M], content: bytes | Mapping[str, Any]) -> _M:
    try:
        return model.model_validate_json(content) if isinstance(content, bytes) else model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _Fault(Failure.MALFORMED, f"{model.__name__.strip('_')} {where}: {first['msg']}") from None


async def _next_line(response: aiohttp.ClientResponse) -> bytes:
    """The next line; empty at the end."""
    try:
        return await response.content.readline()
    except HttpProcessingError as error:  # a line without end, among others
        raise _Fault(Failure.MALFORMED, type(error).__name__) from None


def _check_status(status: object) -> None:
    if status != _OK:
        raise _Fault(Failure.GONE if status == _GONE else Failure.REFUSED, f"status {status}")


def _notice_silence(response: aiohttp.ClientResponse) -> None:
    """Have the kernel ask whether the server's machine is still there."""
    transport = response.connection.transport if response.connection is not None else None
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in DEAD_AFTER_S.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


@contextlib.asynccontextmanager
async def kubernetes_client() -> AsyncIterator[client.ApiClient]:
    """The API server, as this pod's service account or a kubeconfig says.

    Raises:
        ConfigError: there is neither.
    """
    settings = client.Configuration()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=settings)
        else:
            await config.load_kube_config(client_configuration=settings)
    except config.ConfigException as error:
        raise ConfigError(
            f"kubernetes: targets are for pods with a service account, or need KUBECONFIG: {error}"
        ) from None
    async with client.ApiClient(settings) as api:
        yield api


def own_namespace() -> str:
    """This pod's namespace; outside a cluster the one everything falls into."""
    try:
        return _NAMESPACE_FILE.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return os.environ.get("POD_NAMESPACE", "default")
