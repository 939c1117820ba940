"""A fabric in Kubernetes: its pods, one of which a fault may delete without notice, and what its relays count."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from bench.calls.fabric import RelayCounters, read_counters
from bench.calls.fault_options import BadFault
from bench.calls.faults import FaultFailed
from offhook.service.config import ConfigError

if TYPE_CHECKING:
    from kubernetes.aio import client

ROLE: Final = "app.kubernetes.io/component"
ADMIN_PORT: Final = "admin"
ANSWER_WITHIN_S: Final = 5


class Pod(NamedTuple):
    """A pod that runs.

    Attributes:
        metrics: URL of its metrics; None: it has none.
    """

    name: str
    role: str
    metrics: str | None


class Pods:
    """The pods that a label selector names, as `kubectl get --selector` takes it.

    Args:
        selector: labels.
        namespace: where they are; None: this pod's own, outside a cluster `default`.
    """

    def __init__(self, selector: str, namespace: str | None = None) -> None:
        self._selector = selector
        self._namespace = namespace

    async def require(self, victim: str) -> None:
        """Checks, before the run, that there is a pod to be deleted.

        Raises:
            BadFault: there is none, or the API server does not let us look.
        """
        try:
            async with self._reached() as (api, namespace):
                _chosen(victim, await self._running(api, namespace))
        except FaultFailed as error:
            raise BadFault(str(error)) from None

    async def delete(self, victim: str) -> str:
        """Deletes a pod by its name, or the first of that role, and gives it no time. Returns what was done.

        Raises:
            FaultFailed: there is none, or the API server does not let us.
        """
        async with self._reached() as (api, namespace):
            pod = _chosen(victim, await self._running(api, namespace))
            await api.delete_namespaced_pod(
                pod.name, namespace, grace_period_seconds=0, _request_timeout=ANSWER_WITHIN_S
            )
        return f"pod {pod.name} was deleted without notice"

    async def relay_counters(self) -> RelayCounters:
        """What its relays have counted so far, those that answer."""
        try:
            async with self._reached() as (api, namespace):
                pods = await self._running(api, namespace)
        except FaultFailed:
            return RelayCounters({})
        return await read_counters([pod.metrics for pod in pods if pod.role == "relay" and pod.metrics])

    async def _running(self, api: "client.CoreV1Api", namespace: str) -> list[Pod]:
        found = await api.list_namespaced_pod(
            namespace, label_selector=self._selector, _request_timeout=ANSWER_WITHIN_S
        )
        return sorted(pod for each in found.items if (pod := _pod(each)) is not None)

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[tuple["client.CoreV1Api", str]]:
        """The API server. What it refuses becomes FaultFailed."""
        # Here and not above: not every image has the client, and few runs need it.
        import aiohttp  # noqa: PLC0415
        from kubernetes.aio import client  # noqa: PLC0415
        from kubernetes.aio.client.exceptions import ApiException  # noqa: PLC0415

        from offhook.service.kubernetes_watch import kubernetes_client, own_namespace  # noqa: PLC0415

        try:
            async with kubernetes_client() as api:
                yield client.CoreV1Api(api), self._namespace or own_namespace()
        except ApiException as error:
            raise FaultFailed(
                f"the API server answers {error.status} {error.reason}: may this list and delete pods?"
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise FaultFailed(f"the API server cannot be reached: {type(error).__name__}") from None
        except ConfigError as error:
            raise FaultFailed(str(error)) from None


def _pod(found: "client.V1Pod") -> Pod | None:
    metadata, status = found.metadata, found.status
    if metadata is None or not metadata.name or metadata.deletion_timestamp is not None:
        return None
    if status is None or status.phase != "Running":
        return None
    ports = [port for each in (found.spec.containers if found.spec else ()) for port in each.ports or ()]
    admin = next((port.container_port for port in ports if port.name == ADMIN_PORT), None)
    metrics = f"http://{_host(status.pod_ip)}:{admin}/metrics" if admin and status.pod_ip else None
    return Pod(metadata.name, (metadata.labels or {}).get(ROLE, ""), metrics)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _chosen(victim: str, pods: list[Pod]) -> Pod:
    for pod in pods:
        if victim in {pod.name, pod.role}:
            return pod
    there = ", ".join(f"{pod.name} ({pod.role})" for pod in pods) or "none that run"
    raise FaultFailed(f"kill-{victim}: no such pod; --pods names {there}")
