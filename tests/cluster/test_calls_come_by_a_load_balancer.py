"""Calls through a UDP load balancer that keeps the client's address (`externalTrafficPolicy: Local`)."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.cluster import RELAY, Release
from tests.cluster.load_balancer import ADDRESS, balancing

SERVICE = "fabric-offhook-relay"
CALLS = 20


@pytest.fixture(scope="module")
def balanced(release: Release) -> Iterator[Release]:
    with balancing(release.cluster, SERVICE), release.configured({"relay": {"expose": "LoadBalancer"}}):
        yield release


def test_the_service_keeps_the_clients_address(balanced: Release) -> None:
    service = json.loads(balanced.cluster.kubectl("get", "service", SERVICE, "--output=json"))
    assert service["spec"]["externalTrafficPolicy"] == "Local"
    assert service["status"]["loadBalancer"]["ingress"][0]["ip"] == ADDRESS


def test_helm_test_makes_a_call(balanced: Release, show: Callable[[str], None]) -> None:
    said = balanced.cluster.helm("test", "fabric", "--logs", "--timeout", "90s")
    assert "1 of 1 calls came up" in said
    show("by the load balancer: 1 of 1 calls came up")


def test_relays_roll_behind_it(balanced: Release, show: Callable[[str], None]) -> None:
    with balanced.calls(CALLS, 60) as calls:
        balanced.roll(RELAY, within_s=55)
    show(f"behind a load balancer, relays roll: {calls.summary}")
    assert calls.up == CALLS
    assert calls.lost_share < 0.01


def test_a_relay_that_is_killed_costs_the_callers_of_its_node(balanced: Release, show: Callable[[str], None]) -> None:
    with balanced.calls(CALLS, 30) as calls:
        balanced.cluster.kill_container("n1", "relay")
    show(f"behind a load balancer, one of two relays is killed: {calls.summary}")
    assert calls.up == CALLS
    assert calls.lost_share < 0.3
