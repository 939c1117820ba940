"""The chart with 200 transceivers and relays on 50 nodes, all simulated, and one real relay that follows them."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import ROOT
from tests.cluster.simulated import ADMIN_URL, FollowingRelay, SimulatedCluster, following_relay

NODES = 50
TRANSCEIVERS = 200
CHANGES = 20
VALUES: Mapping[str, Any] = {
    "relay": {"kind": "DaemonSet"},
    "transceiver": {"replicas": 1, "drainSeconds": 1},
    "worker": {"replicas": 20},
}


@pytest.fixture(scope="module")
def fleet() -> Iterator[SimulatedCluster]:
    cluster = SimulatedCluster(Path(os.environ["OFFHOOK_CLUSTER"]).resolve())
    cluster.up(NODES)
    try:
        cluster.install(VALUES)
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope="module")
def relay(fleet: SimulatedCluster) -> Iterator[FollowingRelay]:
    with following_relay(fleet) as running:
        yield running


def scale(fleet: SimulatedCluster, transceivers: int) -> None:
    fleet.kubectl("scale", "statefulset/fabric-offhook-transceiver", f"--replicas={transceivers}")


def test_a_relay_knows_a_fleet_that_grows_and_shrinks(
    fleet: SimulatedCluster, relay: FollowingRelay, show: Callable[[str], None]
) -> None:
    ready = fleet.kubectl("get", "daemonset/fabric-offhook-relay", "--output=jsonpath={.status.numberReady}")
    assert int(ready) == NODES
    relay.await_transceivers(1)
    small_mib = relay.resident_mib
    scale(fleet, TRANSCEIVERS)
    relay.await_transceivers(TRANSCEIVERS)
    scale(fleet, TRANSCEIVERS - 20)
    relay.await_transceivers(TRANSCEIVERS - 20)
    scale(fleet, TRANSCEIVERS)
    relay.await_transceivers(TRANSCEIVERS)
    show(
        f"a relay with 1 transceiver: {small_mib} MiB, with {TRANSCEIVERS} that do not answer: {relay.resident_mib} MiB"
    )


def test_every_process_of_the_fleet_knows_each_change(
    fleet: SimulatedCluster, relay: FollowingRelay, show: Callable[[str], None], tmp_path: Path
) -> None:
    scale(fleet, TRANSCEIVERS)
    relay.await_transceivers(TRANSCEIVERS)
    fleet.kubeconfig_of("fabric-offhook-transceiver", tmp_path / "kubeconfig")
    program: list[str | Path] = [sys.executable, "-m", "tests.cluster.fleet_watch", fleet.admin_kubeconfig, ADMIN_URL]
    numbers = [str(NODES), str(TRANSCEIVERS), str(CHANGES)]
    environment = ["env", f"KUBECONFIG={tmp_path}/kubeconfig", f"PYTHONPATH={ROOT}"]
    report = json.loads(fleet.run(*environment, *program, *numbers))
    memory = {name: f"{fleet.resident_mib(name)} MiB" for name in ("apiserver", "etcd")}
    show(f"discovery by {NODES} relays and {TRANSCEIVERS} transceivers: {json.dumps({**report, **memory}, indent=2)}")
    assert report["watches"] == NODES + 2 * TRANSCEIVERS
    # Each change reached each watch; and no watch had to be begun anew for it.
    assert report["failures"] == 0
