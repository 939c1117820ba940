"""`offhook worker deletion-costs`: asks workers' pods what they have, tells Kubernetes what each costs to delete."""

import asyncio
import contextlib
from dataclasses import dataclass

import aiohttp
import structlog
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from offhook.deletion_costs.cost import ANNOTATION, Pod, changes
from offhook.service.admin import AdminServer
from offhook.service.kubernetes_watch import kubernetes_client, own_namespace
from wire.address import Address, format_address, parse_address

_log = structlog.get_logger(__name__)

SESSIONS = "fabric_worker_sessions"
ANSWER_WITHIN_S = 5
_FAULTS = (ApiException, aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True)
class Settings:
    """What to keep.

    Attributes:
        selector: labels of the workers' pods, as `kubectl get --selector` takes them.
        port: where they serve /metrics.
        every_s: how often they are asked.
        admin_listen: ip:port of /livez, /readyz and /metrics.
    """

    selector: str
    port: int
    every_s: float
    admin_listen: str


async def keep(settings: Settings, stop: asyncio.Event) -> None:
    """Keeps the annotations until `stop` is set. While the API server or a pod is away, what was said last holds.

    Raises:
        ConfigError: this is no pod, and there is no kubeconfig.
        OSError: `admin_listen` cannot be had.
    """
    registry = CollectorRegistry()
    written = Counter("fabric_deletion_costs_written", "Pods whose cost was changed.", registry=registry)
    failed = Counter("fabric_deletion_costs_failures", "Rounds in which something did not answer.", registry=registry)
    admin = AdminServer(parse_address(settings.admin_listen), registry, lambda: None)
    async with kubernetes_client() as api, aiohttp.ClientSession() as http:
        await admin.start()
        try:
            while not stop.is_set():
                try:
                    written.inc(await one_round(client.CoreV1Api(api), http, settings))
                except _FAULTS as error:
                    failed.inc()
                    _log.warning("the API server did not answer", fault=type(error).__name__)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), settings.every_s)
        finally:
            await admin.stop()


async def one_round(api: client.CoreV1Api, http: aiohttp.ClientSession, settings: Settings) -> int:
    """Asks every pod once, and writes what has changed. Returns how much that was.

    Raises:
        ApiException, aiohttp.ClientError, TimeoutError, OSError: the API server refuses, or is away.
    """
    namespace = own_namespace()
    found = await api.list_namespaced_pod(namespace, label_selector=settings.selector, _request_timeout=ANSWER_WITHIN_S)
    pods = [pod for each in found.items if (pod := _pod(each)) is not None]
    answers = await asyncio.gather(*(_sessions(http, Address(pod.address, settings.port)) for pod in pods))
    known = {pod.name: count for pod, count in zip(pods, answers, strict=True) if count is not None}
    wanted = list(changes(pods, known))
    for name, cost in wanted:
        body = {"metadata": {"annotations": {ANNOTATION: cost}}}
        await api.patch_namespaced_pod(
            name, namespace, body, _content_type="application/merge-patch+json", _request_timeout=ANSWER_WITHIN_S
        )
    return len(wanted)


def _pod(found: client.V1Pod) -> Pod | None:
    """What matters of it; None: it has no address, or goes already."""
    metadata, status = found.metadata, found.status
    if metadata is None or not metadata.name or metadata.deletion_timestamp is not None:
        return None
    if status is None or not status.pod_ip:
        return None
    return Pod(metadata.name, status.pod_ip, (metadata.annotations or {}).get(ANNOTATION))


async def _sessions(http: aiohttp.ClientSession, address: Address) -> int | None:
    """What a pod says that it has; None: it does not say."""
    try:
        async with http.get(
            f"http://{format_address(address)}/metrics", timeout=aiohttp.ClientTimeout(ANSWER_WITHIN_S)
        ) as answer:
            text = await answer.text()
        families = text_string_to_metric_families(text)
        values = [sample.value for family in families for sample in family.samples if sample.name == SESSIONS]
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return int(values[0]) if values else None
