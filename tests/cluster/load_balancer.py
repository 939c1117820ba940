"""A UDP load balancer as bare metal has one: it announces a Service's address from the nodes that have a relay."""

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.cluster import NODES, Cluster, CommandFailed

ADDRESS = "10.200.1.1"
CHECKED_EVERY_S = 0.5
FAILURES = 3
"""Checks in a row after which a node gets no more packets."""


class LoadBalancer:
    """Gives a Service its address, and keeps the client host's route to it (each flow by its hash to one node).

    With `externalTrafficPolicy: Local` a node that has no ready pod of the Service says so at a port that is asked, and
    gets no packets.

    Args:
        service: a name in the release's namespace.

    Attributes:
        routes: nodes that got packets, in the order of the changes.
    """

    def __init__(self, cluster: Cluster, service: str) -> None:
        self._cluster = cluster
        self._service = service
        self._stopped = threading.Event()
        self._failed: Counter[str] = Counter()
        self.routes: list[tuple[str, ...]] = []

    def run(self) -> None:
        """Serves until it is stopped."""
        # By ports as well, not by addresses alone.
        self._cluster.run("kcl", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/fib_multipath_hash_policy")
        while not self._stopped.wait(CHECKED_EVERY_S):
            try:
                self._look()
            except CommandFailed:
                continue  # The API server is away, or the Service not there yet: what was routed last stays.

    def stop(self) -> None:
        """Ends it; what was routed last stays."""
        self._stopped.set()

    def _look(self) -> None:
        service = json.loads(self._cluster.kubectl("get", "service", self._service, "--output=json"))
        if service["spec"]["type"] != "LoadBalancer":
            return
        if not service["status"]["loadBalancer"].get("ingress"):
            status = {"status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}}
            self._cluster.kubectl(
                "patch",
                "service",
                self._service,
                "--subresource=status",
                "--type=merge",
                f"--patch={json.dumps(status)}",
            )
        port = service["spec"]["healthCheckNodePort"]
        for node in NODES:
            self._failed[node] = 0 if self._serves(node, port) else self._failed[node] + 1
        serving = tuple(node for node in NODES if self._failed[node] < FAILURES)
        if serving and serving != (self.routes[-1] if self.routes else ()):
            hops = [part for node in serving for part in ("nexthop", "via", node)]
            subprocess.run(["ip", "-n", "kcl", "route", "replace", f"{ADDRESS}/32", *hops], check=True)
            self.routes.append(serving)

    def _serves(self, node: str, port: int) -> bool:
        try:
            self._cluster.run("kcl", "curl", "--silent", "--fail", "--max-time", "1", f"http://{node}:{port}/healthz")
        except CommandFailed:
            return False
        return True

    def await_both(self) -> None:
        """Returns when every node gets packets."""
        deadline = time.monotonic() + 60
        while not self.routes or self.routes[-1] != NODES:
            assert time.monotonic() < deadline, self.routes
            time.sleep(CHECKED_EVERY_S)


@contextmanager
def balancing(cluster: Cluster, service: str) -> Iterator[LoadBalancer]:
    """A load balancer for a Service, while the block runs."""
    balancer = LoadBalancer(cluster, service)
    thread = threading.Thread(target=balancer.run, daemon=True)
    thread.start()
    try:
        yield balancer
    finally:
        balancer.stop()
        thread.join()
