"""docs/relay.md against the code: whoever sees a metric or a drop reason finds it explained."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from relay.metrics import RelayCollector
from relay.route_client import Patience, Subscriber
from relay.subscriptions import Subscriptions
from tests.support.relay_scene import CLUSTER, relay_scene
from wire.drop import DropReason

MANUAL = (Path(__file__).parents[3] / "docs" / "relay.md").read_text()
NAMED = set(re.findall(r"`([a-z_]+)(?:\{[a-z]+\})?`", MANUAL))


@pytest.mark.parametrize("reason", list(DropReason))
def test_every_drop_reason_is_explained(reason: DropReason) -> None:
    assert reason.value in NAMED


async def test_every_metric_is_explained_and_none_that_is_gone() -> None:
    async with relay_scene("python") as scene:
        registry = CollectorRegistry()
        subscriptions = Subscriptions(
            (), scene.engine, CLUSTER, Subscriber("r", 1, scene.engine.upstream_addresses), Patience(1, 1, 1)
        )
        registry.register(RelayCollector(scene.engine, subscriptions, lambda: ["A"]))
        exposed = set(re.findall(r"^(fabric_relay_\w+?)(?:\{.*)? ", generate_latest(registry).decode(), re.MULTILINE))
    assert exposed == {name for name in NAMED if name.startswith("fabric_relay_")}
