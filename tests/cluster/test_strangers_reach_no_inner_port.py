"""The chart's NetworkPolicies, enforced: what a pod that is none of the fabric's reaches without them and with them."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.cluster import Cluster, CommandFailed, Release

PORTS = {"transceiver": {"peer": 8081, "route": 7001, "http": 8080}, "worker": {"grpc": 7100}}
OPEN = {"http"}
MEDIA_PORT, DATAGRAMS, CALLS = 7000, 50, 10
STRANGER = "stranger"
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
SEND = (
    "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
    "[s.sendto(bytes(60), (sys.argv[1], int(sys.argv[2]))) for _ in range(int(sys.argv[3]))]"
)


class Stranger:
    """A pod in the release's namespace with none of its labels."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        image, forever = "localhost/offhook-relay:0.1.0", "import time; time.sleep(3600)"
        options = ("--image-pull-policy=Never", "--restart=Never", "--command")
        cluster.kubectl("run", STRANGER, f"--image={image}", *options, "--", "python", "-c", forever)
        cluster.kubectl("wait", "--for=condition=Ready", f"pod/{STRANGER}", "--timeout=60s")

    def reached(self) -> set[str]:
        """Names of the TCP ports that take its connection."""
        found = set()
        for role, ports in PORTS.items():
            for name, port in ports.items():
                try:
                    self._python(CONNECT, self._address(role), str(port))
                except CommandFailed:
                    continue
                found.add(name)
        return found

    def datagrams_through(self) -> int:
        """How many of DATAGRAMS to a transceiver's media port came in, as the transceiver counts those of no relay."""
        before = self._refused()
        self._python(SEND, self._address("transceiver"), str(MEDIA_PORT), str(DATAGRAMS))
        time.sleep(1)
        return self._refused() - before

    def leave(self) -> None:
        self._cluster.kubectl("delete", "pod", STRANGER, "--grace-period=0", "--force")

    def _refused(self) -> int:
        url = f"http://{self._address('transceiver')}:9090/metrics"
        metrics = self._cluster.run("kcp", "curl", "--silent", "--fail", "--max-time", "5", url)
        found = re.search(r'^fabric_transceiver_drops_total\{reason="unknown_relay"\} (\S+)$', metrics, re.MULTILINE)
        assert found is not None
        return round(float(found[1]))

    def _address(self, role: str) -> str:
        selector = f"--selector=app.kubernetes.io/component={role}"
        return self._cluster.kubectl("get", "pods", selector, "--output=jsonpath={.items[0].status.podIP}")

    def _python(self, program: str, *arguments: str) -> None:
        self._cluster.kubectl("exec", STRANGER, "--", "python", "-c", program, *arguments)


@pytest.fixture
def stranger(release: Release) -> Iterator[Stranger]:
    made = Stranger(release.cluster)
    yield made
    made.leave()


@contextmanager
def enforced(cluster: Cluster) -> Iterator[None]:
    """Nodes enforce NetworkPolicies while the block runs."""
    enforcers = [cluster.enforce_policies(node) for node in ("n1", "n2")]
    try:
        yield
    finally:
        for enforcer in enforcers:
            enforcer.terminate()
            enforcer.communicate(timeout=20)


def test_inner_ports_are_for_the_fabrics_own_pods(
    release: Release, stranger: Stranger, show: Callable[[str], None]
) -> None:
    everything = {name for ports in PORTS.values() for name in ports}
    assert stranger.reached() == everything, "nothing is enforced yet"
    assert stranger.datagrams_through() == DATAGRAMS
    with enforced(release.cluster):
        deadline = time.monotonic() + 60
        while (reached := stranger.reached()) != OPEN:
            assert time.monotonic() < deadline, f"it reaches {reached}"
        assert stranger.datagrams_through() == 0
        with release.calls(CALLS, 10) as calls:
            pass
        said = release.cluster.helm("test", "fabric", "--logs", "--timeout", "90s")
    show(f"policies enforced: of {sorted(everything)} a stranger reaches {sorted(OPEN)}, and no media; {calls.summary}")
    assert (calls.up, calls.lost) == (CALLS, 0)
    assert "1 of 1 calls came up" in said
