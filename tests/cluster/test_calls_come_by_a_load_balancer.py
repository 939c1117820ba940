"""Calls through a UDP load balancer that keeps the client's address (`externalTrafficPolicy: Local`)."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.cluster import RELAY, Release
from tests.cluster.load_balancer import ADDRESS, LoadBalancer, balancing

SERVICE = "fabric-offhook-relay"
CALLS = 20


@pytest.fixture(scope="module")
def balancer(release: Release) -> Iterator[LoadBalancer]:
    with balancing(release.cluster, SERVICE) as made, release.configured({"relay": {"expose": "LoadBalancer"}}):
        yield made


def test_helm_test_makes_a_call(release: Release, balancer: LoadBalancer, show: Callable[[str], None]) -> None:
    balancer.await_both()
    service = json.loads(release.cluster.kubectl("get", "service", SERVICE, "--output=json"))
    assert service["spec"]["externalTrafficPolicy"] == "Local"
    assert service["status"]["loadBalancer"]["ingress"][0]["ip"] == ADDRESS
    said = release.cluster.helm("test", "fabric", "--logs", "--timeout", "90s")
    assert "1 of 1 calls came up" in said
    show("by the load balancer: 1 of 1 calls came up")


def test_relays_roll_behind_it(release: Release, balancer: LoadBalancer, show: Callable[[str], None]) -> None:
    balancer.await_both()
    with release.calls(CALLS, 60) as calls:
        release.roll(RELAY, within_s=55)
    show(f"behind a load balancer, relays roll: {calls.summary}; it routed to {balancer.routes}")
    assert calls.up == CALLS
    assert calls.lost_share < 0.01


def test_a_relay_that_is_killed_costs_the_callers_of_its_node(
    release: Release, balancer: LoadBalancer, show: Callable[[str], None]
) -> None:
    balancer.await_both()
    with release.calls(CALLS, 30) as calls:
        release.cluster.kill_container("n1", "relay")
    show(f"behind a load balancer, one of two relays is killed: {calls.summary}; it routed to {balancer.routes}")
    assert calls.up == CALLS
    assert calls.lost_share < 0.3
