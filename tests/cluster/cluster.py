"""The cluster of the tests: how it is started, spoken to, and called from its client host."""

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.chart.rendering import CHART, HELM, ROOT, merged

HERE = Path(__file__).parent
NAMESPACE = "voice"
NODES = ("10.200.0.11", "10.200.0.12")
FIRST_CALLER = "10.200.0.101"
CALLERS = 40
RELAY, WORKER = "daemonset/fabric-offhook-relay", "deployment/fabric-offhook-worker"
TRANSCEIVER = "statefulset/fabric-offhook-transceiver"
WORKLOADS = (RELAY, WORKER, TRANSCEIVER)
SMALL: Mapping[str, Any] = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
VALUES: Mapping[str, Any] = {
    "image": {"repository": "localhost/offhook", "pullPolicy": "Never"},
    "relay": {"expose": "NodePort", "nodePort": 30478, "resources": SMALL},
    "transceiver": {"replicas": 2, "drainSeconds": 60, "service": {"type": "NodePort"}, "resources": SMALL},
    "worker": {"kind": "echo", "replicas": 2, "resources": SMALL},
    # There is no DNS in it.
    "test": {"target": "http://$(FABRIC_OFFHOOK_SERVICE_HOST)"},
}


class CommandFailed(Exception):
    """A command on the cluster failed; the message is what it said."""


class Cluster:
    """Control plane and two real nodes in network namespaces, and a client host outside.

    Args:
        directory: what was built for it, and its state.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def up(self) -> None:
        """Starts it anew, with the images that are there; nodes keep those that they have had."""
        images = [
            self.directory / "images" / f"{name}.tar" for name in ("pause", "relay", "bench", "transceiver", "worker")
        ]
        subprocess.run([HERE / "nodes.sh", self.directory, "up", *images], check=True)
        for number in range(CALLERS):
            address = f"10.200.0.{101 + number}/24"
            subprocess.run(["ip", "-n", "kcl", "addr", "add", address, "dev", "eth0"], check=True)

    def down(self) -> None:
        """Stops all of it."""
        subprocess.run([HERE / "nodes.sh", self.directory, "down"], check=True)

    def run(self, host: str, *command: str | Path, stdin: str | None = None) -> str:
        """Standard output of a command on the control plane's host (kcp), a node (kn1, kn2) or the client's (kcl).

        Raises:
            CommandFailed: it failed.
        """
        whole = [HERE / "nodes.sh", self.directory, "exec", host, *command]
        done = subprocess.run(whole, check=False, capture_output=True, text=True, timeout=300, input=stdin)
        if done.returncode != 0:
            raise CommandFailed(f"{' '.join(map(str, command))}: {done.stderr}")
        return done.stdout

    def start(self, host: str, *command: str | Path) -> "subprocess.Popen[str]":
        """A command that goes on; its standard output and error come together."""
        whole = [HERE / "nodes.sh", self.directory, "exec", host, *command]
        return subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def kubectl(self, *arguments: str, namespace: str = NAMESPACE, stdin: str | None = None) -> str:
        """Standard output of kubectl."""
        return self.run("kcp", "kubectl", "--namespace", namespace, *arguments, stdin=stdin)

    def helm(self, *arguments: str | Path, namespace: str = NAMESPACE, values: Mapping[str, Any] | None = None) -> str:
        """Standard output of Helm."""
        if values is None:
            return self.run("kcp", HELM, "--namespace", namespace, *arguments)
        return self.run(
            "kcp", HELM, "--namespace", namespace, *arguments, "--values", "-", stdin=yaml.safe_dump(dict(values))
        )

    def install(self) -> "Release":
        """Installs the chart and waits until all of it is ready."""
        options = ("--create-namespace", "--wait", "--timeout", "180s")
        try:
            self.helm("install", "fabric", CHART, *options, values=VALUES)
        except CommandFailed as error:
            pods = self.kubectl("get", "pods", "--output", "wide")
            events = self.kubectl("get", "events", "--field-selector", "type=Warning")
            raise CommandFailed(f"{error}\n{pods}\n{events}") from None
        return Release(self)

    def custom_kind(self, name: str) -> Path:
        """The file that defines a kind of the Prometheus operator's or KEDA's: `podmonitors.monitoring.coreos.com`."""
        plural, _, group = name.partition(".")
        return self.directory / "crds" / f"{group}_{plural}.yaml"

    def kill_container(self, node: str, container: str) -> None:
        """SIGKILL to the process of a container on a node, as the kernel sends it."""
        subprocess.run([HERE / "nodes.sh", self.directory, "kill", node, container], check=True)

    def enforce_policies(self, node: str) -> "subprocess.Popen[str]":
        """Begins to enforce NetworkPolicies on n1 or n2; goes on until the process is ended."""
        return self.start(
            f"k{node}",
            "kube-router",
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
            f"--kubeconfig={self.directory / 'run/kubeconfig'}",
            f"--hostname-override={node}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--iptables-sync-period=5s",
            "--health-port=0",
        )

    @property
    def nodes_declared_dead(self) -> int:
        """How often so far the node controller took a node for dead."""
        events = self.kubectl(
            "get", "events", "--field-selector=reason=NodeNotReady", "--output=json", namespace="default"
        )
        return sum(event.get("count") or 1 for event in json.loads(events)["items"])

    @contextmanager
    def without_api_server(self) -> Iterator[None]:
        """The API server answers nobody."""
        pid = (self.directory / "run/apiserver.pid").read_text().strip()
        subprocess.run(["kill", "-STOP", pid], check=True)
        try:
            yield
        finally:
            subprocess.run(["kill", "-CONT", pid], check=True)


class Release:
    """An installed chart, and calls to it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        port = cluster.kubectl("get", "service", "fabric-offhook", "--output", "jsonpath={.spec.ports[0].nodePort}")
        key = cluster.kubectl("get", "secret", "fabric-offhook-api-keys", "--output", "jsonpath={.data.api_keys}")
        self._port = port
        self._key = base64.b64decode(key).decode().strip()

    @contextmanager
    def configured(self, values: Mapping[str, Any]) -> Iterator[None]:
        """Is upgraded to other values while the block runs, and back again."""
        self._upgrade(merged(VALUES, values))
        try:
            yield
        finally:
            self._upgrade(VALUES)

    def _upgrade(self, values: Mapping[str, Any]) -> None:
        self.cluster.helm("upgrade", "fabric", CHART, "--wait", "--timeout=180s", values=values)
        for workload in WORKLOADS:
            self.await_rolled(workload, within_s=120)

    def roll(self, workload: str, *, within_s: int) -> None:
        """Restarts the pods of a workload as its strategy says, and returns when all have been."""
        self.cluster.kubectl("rollout", "restart", workload)
        self.await_rolled(workload, within_s=within_s)

    def await_rolled(self, workload: str, *, within_s: int) -> None:
        """Returns when all its pods are ready and up to date."""
        self.cluster.kubectl("rollout", "status", workload, f"--timeout={within_s}s")

    @contextmanager
    def calls(self, number: int, seconds: float, *, node: int = 0, first: int = 0) -> Iterator["Calls"]:
        """Live calls from the client host while the block runs; it ends when they have."""
        octets = FIRST_CALLER.rpartition(".")
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command: list[str | Path] = [
                HERE / "nodes.sh",
                self.cluster.directory,
                "exec",
                "kcl",
                ROOT / ".venv/bin/offhook",
                "bench",
                "calls",
                "--target",
                f"http://{NODES[node]}:{self._port}/v1/realtime/calls?model=echo",
                f"--calls={number}",
                "--rate=20",
                f"--duration={seconds}",
                # Two nodes and their callers share the cores of one machine.
                "--accept-invalid",
                "--dead-after=60",
                f"--first-address={octets[0]}.{int(octets[2]) + first}",
                f"--json={report}",
            ]
            environment = {**os.environ, "OFFHOOK_API_KEY": self._key}
            with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
                calls = Calls(process, report)
                calls.await_up()
                yield calls
                calls.end()


class Calls:
    """Calls that are under way, and what they were like."""

    def __init__(self, process: subprocess.Popen[str], report: Path) -> None:
        self._process = process
        self._path = report
        self.report: dict[str, Any] = {}

    def await_up(self) -> None:
        """Returns when all that will come up have, and are being measured."""
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        assert "calls are up" in line, line + self._process.stderr.read()

    def end(self) -> None:
        """Waits for the end, and reads the report."""
        assert self._process.stderr is not None
        said = self._process.stderr.read()
        assert self._process.wait() == 0, said
        self.report = json.loads(self._path.read_text())

    @property
    def up(self) -> int:
        """Calls that were up."""
        return int(self.report["calls"]["up"])

    @property
    def lost(self) -> int:
        """Packets that did not come back."""
        return int(self.report["packets"]["lost"])

    @property
    def lost_share(self) -> float:
        """Of those sent."""
        return self.lost / int(self.report["packets"]["sent"])

    @property
    def summary(self) -> str:
        """What it cost the callers, in one line."""
        packets, calls = self.report["packets"], self.report["calls"]
        gap = next(each for each in self.report["distributions"] if each["name"] == "longest_silence")
        return (
            f"{calls['up']} calls, {packets['lost']:,} of {packets['sent']:,} packets lost, "
            f"longest gap p50 {gap['p50']:.0f} ms, p99 {gap['p99']:.0f} ms"
        )
