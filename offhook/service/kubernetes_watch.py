"""What the Kubernetes API says of a Service, followed by the official client: listed once, then watched.

A watch that ends is resumed where it ended; only where the server no longer knows that place (410 Gone) is the list
read again. While the API server is away, what it said last holds, and it is asked again with back-off and jitter, so
that a fleet does not fall upon it when it returns.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import structlog
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.watch import Watch

from offhook.service.config import ConfigError
from wire.address import Address, format_address

_log = structlog.get_logger(__name__)

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_GONE: Final = 410

LIST_WITHIN_S = 10.0
WATCH_S = 300
"""The server ends a watch after this long, less jitter, and it is resumed: so a dead connection is noticed."""
SILENCE_S = WATCH_S * 1.2
RESUME_AFTER_S = 0.2
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0


async def watch_endpoints(namespace: str | None, service: str, port: str) -> AsyncIterator[frozenset[str]]:
    """Yield `ip:port` of every pod behind a Service, again with each change. Never ends.

    Pods that are not ready and pods that terminate are among them: a transceiver that drains still has calls, and it is
    for the link to each to find out whether it answers.

    Args:
        namespace: None is this pod's own.
        service: the Service's name.
        port: its name or number.

    Raises:
        ConfigError: this is no pod, and there is no kubeconfig.
    """
    async with _api() as api:
        slices = _Collection(
            "V1EndpointSlice",
            client.DiscoveryV1Api(api).list_namespaced_endpoint_slice,
            {"label_selector": f"kubernetes.io/service-name={service}"},
        )
        async for found in slices.follow(namespace or _own_namespace()):
            yield frozenset(address for each in found.values() for address in _pods(each, port))


async def watch_load_balancer(namespace: str | None, service: str, port: str) -> AsyncIterator[frozenset[str]]:
    """Yield `ip:port` of a Service of type LoadBalancer as its cloud made it reachable, again with each change.

    Args:
        namespace: None is this pod's own.
        service: the Service's name.
        port: its name or number.

    Raises:
        ConfigError: this is no pod, and there is no kubeconfig.
    """
    async with _api() as api:
        services = _Collection(
            "V1Service",
            client.CoreV1Api(api).list_namespaced_service,
            {"field_selector": f"metadata.name={service}"},
        )
        async for found in services.follow(namespace or _own_namespace()):
            yield frozenset(
                format_address(Address(ip, int(port))) for each in found.values() for ip in _ingress_addresses(each)
            )


def _pods(endpoint_slice: Any, port: str) -> Iterator[str]:  # noqa: ANN401 - the client's models are generated untyped
    numbers = [each.port for each in endpoint_slice.ports or () if port in (each.name, str(each.port))]
    for endpoint in endpoint_slice.endpoints or ():
        for number in numbers:
            # All addresses of one endpoint are the same pod: the API allows only the first to be used.
            yield format_address(Address(endpoint.addresses[0], number))


def _ingress_addresses(service: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    for ingress in service.status.load_balancer.ingress or ():
        # A name instead of an address (some clouds) is no ICE candidate; `dns:` follows it.
        if ingress.ip:
            yield ingress.ip


class _Collection(NamedTuple):
    """Objects of one kind that a selection picks.

    Attributes:
        kind: the client's name of the model.
        list_objects: the client's method, which also watches.
        selection: its arguments that pick them.
    """

    kind: str
    list_objects: Callable[..., Any]
    selection: Mapping[str, str]

    async def follow(self, namespace: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the objects by name, at once (none, if the server cannot be asked) and with each change."""
        objects: dict[str, Any] = {}
        version: str | None = None
        failures = 0
        while True:
            try:
                if version is None:
                    listed = await self.list_objects(namespace, **self.selection, _request_timeout=LIST_WITHIN_S)
                    objects = {each.metadata.name: each for each in listed.items}
                    version = listed.metadata.resource_version
                    yield objects
                async for event in self._events(namespace, version):
                    failures = 0
                    version = _applied(event, objects)
                    yield objects
                # Whoever ends watches at once is not asked again without a pause.
                await asyncio.sleep(RESUME_AFTER_S)
                continue
            except ApiException as error:
                # The server cannot resume there; with a back-off, lest it says so of every list.
                version = None if error.status == _GONE else version
                why = f"status {error.status}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = type(error).__name__
            failures += 1
            if failures == 1:
                _log.warning("the Kubernetes API does not answer; what it last said holds", kind=self.kind, why=why)
            yield objects
            retry_s = min(FIRST_RETRY_S * 2 ** (failures - 1), LONGEST_RETRY_S)
            await asyncio.sleep(retry_s * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret

    async def _events(self, namespace: str, version: str) -> AsyncIterator[dict[str, Any]]:
        """What has changed since `version`, until the server ends the watch."""
        timeout_s = round(WATCH_S * random.uniform(0.8, 1.0))  # noqa: S311 - not a secret
        async with Watch(return_type=self.kind) as watch:
            stream = watch.stream(
                self.list_objects,
                namespace,
                **self.selection,
                resource_version=version,
                allow_watch_bookmarks=True,
                timeout_seconds=timeout_s,
                _request_timeout=SILENCE_S,
            )
            async for event in stream:
                yield event


def _applied(event: Mapping[str, Any], objects: dict[str, Any]) -> str:
    """Apply a watch event. Returns the resource version that the objects are now at."""
    metadata = event["raw_object"]["metadata"]
    match event["type"]:
        case "ADDED" | "MODIFIED":
            objects[metadata["name"]] = event["object"]
        case "DELETED":
            objects.pop(metadata["name"], None)
    version: str = metadata["resourceVersion"]
    return version


@contextlib.asynccontextmanager
async def _api() -> AsyncIterator[client.ApiClient]:
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


def _own_namespace() -> str:
    """This pod's namespace; outside a cluster the one everything falls into."""
    try:
        return _NAMESPACE_FILE.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return os.environ.get("POD_NAMESPACE", "default")
