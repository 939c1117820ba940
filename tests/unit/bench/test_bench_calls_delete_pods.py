"""`--pods`: a fault deletes a pod without notice, relays are asked what they counted, and refusals are told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from bench.calls.fault_actions import prepared
from bench.calls.fault_options import BadFault, parse_fault
from bench.calls.faults import FaultFailed
from bench.calls.plan import Plan
from bench.calls.pods import Pods
from bench.calls.target import target_of
from tests.support.bench_command import refused

KUBECONFIG = "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
SELECTOR = "app.kubernetes.io/instance=fabric"
PLAN = Plan(
    target=target_of("http://127.0.0.1:9/whip", None),
    key=None,
    profile="echo",
    calls=1,
    rate=1,
    duration_s=5,
    processes=1,
    warm_up=1,
    first_address="127.64.0.1",
)
COUNTED = """
# TYPE fabric_relay_client_datagrams_received_total counter
fabric_relay_client_datagrams_received_total{family="ipv4"} %d
# TYPE fabric_relay_drops_total counter
fabric_relay_drops_total{reason="no_flow"} 3
"""


class Cluster:
    """An API server with pods in the namespace `voice`, and the metrics of those pods.

    Attributes:
        deletions: name and grace period of each deletion.
        refuses: a status that every request gets, or none.
    """

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.selectors: set[str] = set()
        self.deletions: list[tuple[str, str | None, Any]] = []
        self.refuses: int | None = None
        self.received = 100
        self.port = 0

    def add(self, name: str, role: str, *, phase: str = "Running", **metadata: Any) -> None:  # noqa: ANN401 - of a pod
        labels = {"app.kubernetes.io/component": role}
        ports = [{"name": "admin", "containerPort": self.port}]
        self.pods[name] = {
            "metadata": {"name": name, "labels": labels, **metadata},
            "spec": {"containers": [{"name": role, "ports": ports}]},
            "status": {"phase": phase, "podIP": "127.0.0.1"},
        }

    async def list(self, request: web.Request) -> web.Response:
        if self.refuses:
            return web.json_response({"kind": "Status"}, status=self.refuses)
        self.selectors.add(request.query["labelSelector"])
        return web.json_response({"kind": "PodList", "metadata": {}, "items": list(self.pods.values())})

    async def delete(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        body = await request.json() if request.can_read_body else None
        self.deletions.append((name, request.query.get("gracePeriodSeconds"), body))
        return web.json_response(self.pods.pop(name))

    async def metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=COUNTED % self.received)


@asynccontextmanager
async def running(cluster: Cluster, path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/voice/pods", cluster.list)
    app.router.add_delete("/api/v1/namespaces/voice/pods/{name}", cluster.delete)
    app.router.add_get("/metrics", cluster.metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cluster.port = runner.addresses[0][1]
    content = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{cluster.port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(content))  # noqa: ASYNC240 - a line, in a test
    monkeypatch.setattr(KUBECONFIG, str(path))
    try:
        yield
    finally:
        await runner.cleanup()


async def test_a_pod_of_the_role_is_deleted_without_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, pods = Cluster(), Pods(SELECTOR, "voice")
    async with running(cluster, tmp_path / "kubeconfig", monkeypatch):
        cluster.add("a-starting", "relay", phase="Pending")
        cluster.add("b-going", "relay", deletionTimestamp="2026-11-24T00:00:00Z")
        cluster.add("relay-x", "relay")
        cluster.add("relay-y", "relay")
        cluster.add("transceiver-0", "transceiver")
        faults = [parse_fault("kill-relay@1s"), parse_fault("kill-transceiver-0@2s")]
        async with prepared(faults, PLAN, dict, pods) as (_, (first, second), path):
            assert path is None
            assert cluster.deletions == []
            assert await first.act() == "pod relay-x was deleted without notice"
            assert await second.act() == "pod transceiver-0 was deleted without notice"
    assert cluster.selectors == {SELECTOR}
    assert [name for name, _, _ in cluster.deletions] == ["relay-x", "transceiver-0"]
    assert {grace for _, grace, _ in cluster.deletions} == {"0"}


async def test_relays_are_asked_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, pods = Cluster(), Pods(SELECTOR, "voice")
    async with running(cluster, tmp_path / "kubeconfig", monkeypatch):
        cluster.add("relay-x", "relay")
        before = await pods.relay_counters()
        cluster.received = 150
        after = await pods.relay_counters()
        cluster.refuses = 403
        refused = await pods.relay_counters()
    grown = {figure.name: figure.value for figure in after.since(before)}
    assert grown["relays_received"] == 50
    assert refused.of == {}


async def test_what_cannot_be_deleted_is_told_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, pods = Cluster(), Pods(SELECTOR, "voice")
    async with running(cluster, tmp_path / "kubeconfig", monkeypatch):
        with pytest.raises(BadFault, match="kill-worker: no such pod; --pods names none that run"):
            await pods.require("worker")
        cluster.add("relay-x", "relay")
        with pytest.raises(BadFault, match=r"--pods names relay-x \(relay\)"):
            await pods.require("worker")
        cluster.refuses = 403
        with pytest.raises(FaultFailed, match="answers 403 Forbidden: may this list and delete pods"):
            await pods.delete("relay")
    with pytest.raises(FaultFailed, match="cannot be reached"):
        await pods.delete("relay")


def test_the_command_says_what_it_has_no_way_to(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text('{"processes": []}')
    target = ("--target", "http://127.0.0.1:9/whip")
    assert "give one of them" in refused("calls", *target, "--fabric", str(ready), "--pods", SELECTOR)
