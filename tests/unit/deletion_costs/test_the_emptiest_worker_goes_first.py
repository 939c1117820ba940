"""Pods of workers are annotated with what they cost to delete; what does not answer is left as it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from offhook.deletion_costs.cost import ANNOTATION, Pod, changes, cost
from offhook.deletion_costs.keeper import Settings, keep
from offhook.service.config import ConfigError
from tests.support.udp_peer import until

KUBECONFIG = "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
SELECTOR = "app.kubernetes.io/component=worker"


@pytest.mark.parametrize(("sessions", "expected"), [(0, 0), (1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (200, 256)])
def test_a_cost_is_the_next_power_of_two(sessions: int, expected: int) -> None:
    assert cost(sessions) == expected


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_emptier_never_costs_more(one: int, other: int) -> None:
    assert (cost(one) <= cost(other)) or one > other
    assert cost(one) == 0 or one > 0


def test_only_what_is_another_is_written() -> None:
    pods = [Pod("same", "a", "4"), Pod("new", "b", None), Pod("empty", "c", None), Pod("silent", "d", "8")]
    sessions = {"same": 3, "new": 3, "empty": 0}
    assert list(changes(pods, sessions)) == [("new", "4")]


class Cluster:
    """An API server with pods, and the pods themselves: all of them this process, each at a loopback address.

    Attributes:
        sessions: what each pod's metrics say, by address; who is not in it answers with 500.
        patches: name, content type and body of each write.
        away: the API server answers with 503.
    """

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, int] = {}
        self.patches: list[tuple[str, str, Any]] = []
        self.selectors: set[str] = set()
        self.away = False
        self.refused = 0
        self.port = 0

    def add(self, name: str, address: str, **metadata: Any) -> None:  # noqa: ANN401 - any metadata of a pod
        self.pods[name] = {"metadata": {"name": name, **metadata}, "status": {"podIP": address}}

    async def list(self, request: web.Request) -> web.Response:
        if self.away:
            self.refused += 1
            return web.Response(status=503)
        self.selectors.add(request.query["labelSelector"])
        return web.json_response({"kind": "PodList", "metadata": {}, "items": list(self.pods.values())})

    async def patch(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await request.json()
        self.patches.append((name, request.content_type, body))
        self.pods[name]["metadata"].setdefault("annotations", {}).update(body["metadata"]["annotations"])
        return web.json_response(self.pods[name])

    async def metrics(self, request: web.Request) -> web.Response:
        host = request.host.partition(":")[0]
        if host not in self.sessions:
            return web.Response(status=500, text="no metrics")
        return web.Response(
            text=f"# TYPE fabric_worker_sessions gauge\nfabric_worker_sessions {self.sessions[host]}.0\n"
        )

    def cost(self, name: str) -> str | None:
        """What Kubernetes would read."""
        found: str | None = self.pods[name]["metadata"].get("annotations", {}).get(ANNOTATION)
        return found


@asynccontextmanager
async def running(cluster: Cluster) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/default/pods", cluster.list)
    app.router.add_patch("/api/v1/namespaces/default/pods/{name}", cluster.patch)
    app.router.add_get("/metrics", cluster.metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    for number in range(1, 6):
        await web.TCPSite(runner, f"127.0.0.{number}", cluster.port).start()
        cluster.port = runner.addresses[0][1]
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def kept(cluster: Cluster, path: Path) -> AsyncIterator[None]:
    """The keeper at work, in a hurry."""
    server = f"http://127.0.0.1:{cluster.port}"
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(content))  # noqa: ASYNC240 - a line, in a test
    stop = asyncio.Event()
    task = asyncio.create_task(keep(Settings(SELECTOR, cluster.port, 0.02, "127.0.0.1:0"), stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def test_pods_are_annotated_as_their_load_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kubeconfig"
    monkeypatch.setattr(KUBECONFIG, str(path))
    cluster = Cluster()
    cluster.add("busy", "127.0.0.2")
    cluster.add("empty", "127.0.0.3")
    cluster.add("silent", "127.0.0.4", annotations={ANNOTATION: "64"})
    cluster.add("going", "127.0.0.5", deletionTimestamp="2026-11-24T00:00:00Z")
    cluster.sessions = {"127.0.0.2": 5, "127.0.0.3": 0, "127.0.0.5": 7}
    async with running(cluster), kept(cluster, path):
        await until(lambda: cluster.cost("busy") == "8", "the busy one costs something")
        cluster.sessions["127.0.0.3"] = 1
        await until(lambda: cluster.cost("empty") == "1", "the other one does now")
        cluster.away = True
        cluster.sessions["127.0.0.2"] = 0
        await until(lambda: cluster.refused >= 2, "it is asked again")
        assert cluster.cost("busy") == "8"
        cluster.away = False
        await until(lambda: cluster.cost("busy") == "0", "what was missed is made up for")
    assert cluster.cost("silent") == "64"
    assert cluster.cost("going") is None
    # Nothing was written twice.
    assert [name for name, _, _ in cluster.patches] == ["busy", "empty", "busy"]
    assert {kind for _, kind, _ in cluster.patches} == {"application/merge-patch+json"}
    assert cluster.selectors == {SELECTOR}


async def test_who_has_no_cluster_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KUBECONFIG, str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigError, match="service account"):
        await keep(Settings(SELECTOR, 9090, 1, "127.0.0.1:0"), asyncio.Event())
