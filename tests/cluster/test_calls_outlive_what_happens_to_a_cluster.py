"""What restarts, losses and drains cost 20 live callers, on a real Kubernetes. It is printed."""

import time
from collections.abc import Callable

from tests.cluster.cluster import RELAY, TRANSCEIVER, WORKER, WORKLOADS, Release

CALLS = 20


def test_helm_test_makes_a_call(release: Release, show: Callable[[str], None]) -> None:
    said = release.cluster.helm("test", "fabric", "--logs", "--timeout", "90s")
    assert "1 of 1 calls came up" in said
    show(said.rpartition("POD LOGS")[2])


def test_relays_roll_and_next_to_nothing_is_lost(release: Release, show: Callable[[str], None]) -> None:
    with release.calls(CALLS, 60) as calls:
        release.roll(RELAY, within_s=55)
    show(f"relays roll: {calls.summary}")
    assert calls.up == CALLS
    # Nothing, on a quiet machine; on a busy one a socket's queue may overflow meanwhile.
    assert calls.lost_share < 0.001


def test_workers_roll_under_calls(release: Release, show: Callable[[str], None]) -> None:
    with release.calls(CALLS, 60) as calls:
        release.roll(WORKER, within_s=55)
    show(f"workers roll: {calls.summary}")
    assert calls.up == CALLS
    assert calls.lost_share < 0.05


def test_a_transceiver_that_leaves_keeps_its_calls_and_gets_no_new_ones(
    release: Release, show: Callable[[str], None]
) -> None:
    with release.calls(CALLS, 40) as old:
        release.cluster.kubectl("rollout", "restart", TRANSCEIVER)
        time.sleep(8)  # the preStop hook, and then it takes no more
        with release.calls(5, 5, node=1, first=CALLS) as new:
            pass
    show(f"transceivers roll: {old.summary}; new calls meanwhile: {new.summary}")
    assert (old.up, new.up) == (CALLS, 5)
    assert old.lost == new.lost == 0
    release.await_rolled(TRANSCEIVER, within_s=240)


def test_a_relay_that_is_killed_costs_its_callers_the_time_until_it_is_back(
    release: Release, show: Callable[[str], None]
) -> None:
    with release.calls(CALLS, 30) as calls:
        release.cluster.kill_container("n1", "relay")
    show(f"a node's only relay is killed: {calls.summary}")
    assert calls.up == CALLS
    assert calls.lost_share < 0.5


def test_a_drained_node_keeps_the_calls_of_its_transceiver_until_they_end(
    release: Release, show: Callable[[str], None]
) -> None:
    cluster = release.cluster
    with release.calls(CALLS, 40, node=1) as old:
        cluster.kubectl("cordon", "n1")
        draining = cluster.start("kcp", "kubectl", "drain", "n1", "--ignore-daemonsets", "--delete-emptydir-data")
        time.sleep(8)
        with release.calls(5, 5, node=1, first=CALLS) as new:
            pass
    said, _ = draining.communicate(timeout=180)
    assert draining.returncode == 0, said
    show(f"a node is drained: {old.summary}; new calls meanwhile: {new.summary}")
    cluster.kubectl("uncordon", "n1")
    assert (old.up, new.up) == (CALLS, 5)
    assert old.lost_share < 0.001
    for workload in WORKLOADS:
        release.await_rolled(workload, within_s=60)


def test_half_a_minute_without_the_api_server_costs_nothing(release: Release, show: Callable[[str], None]) -> None:
    with release.calls(CALLS, 40) as old, release.cluster.without_api_server():
        time.sleep(15)
        with release.calls(5, 5, node=1, first=CALLS) as new:
            pass
        time.sleep(5)
    show(f"half a minute without the API server: {old.summary}; new calls meanwhile: {new.summary}")
    assert (old.up, new.up) == (CALLS, 5)
    assert old.lost_share < 0.001
    assert new.lost == 0


def test_a_minute_without_the_api_server_costs_what_kubernetes_makes_of_it(
    release: Release, show: Callable[[str], None]
) -> None:
    before = release.cluster.nodes_declared_dead
    with release.calls(CALLS, 75) as old, release.cluster.without_api_server():
        time.sleep(60)
    declared_dead = release.cluster.nodes_declared_dead - before
    show(f"a minute without the API server: {old.summary}; nodes declared dead on its return: {declared_dead}")
    assert old.up == CALLS
    # Back again, Kubernetes takes nodes that were silent for 50 s for dead, and kube-proxy leaves their relays out.
    assert old.lost_share < 0.001 or declared_dead > 0


def test_on_host_ports_no_service_stands_between_callers_and_relays(
    release: Release, show: Callable[[str], None]
) -> None:
    with release.configured({"relay": {"expose": "hostPort"}}):
        with release.calls(CALLS, 75) as away, release.cluster.without_api_server():
            time.sleep(60)
        show(f"host ports, a minute without the API server: {away.summary}")
        assert away.up == CALLS
        assert away.lost_share < 0.001
        with release.calls(CALLS, 60) as rolled:
            release.roll(RELAY, within_s=55)
    show(f"host ports, relays roll: {rolled.summary}")
    assert rolled.up == CALLS
    # The old one has to give the port back before the next one can have it.
    assert rolled.lost_share < 0.3
