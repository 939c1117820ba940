"""Every metric, label and label value that a rule or a dashboard names is in a scrape of a running fabric."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.chart.promql import Scraped, labels_joined
from tests.chart.rendering import CHART, expressions_on, find, render
from tests.support.fabric import Fabric, running_fabric
from tests.support.live_caller import LiveCaller

ENGINES = ("native", "python")
FRAMES = 25
DASHBOARDS = sorted((CHART / "files/dashboards").glob("*.json"))


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    """Recording rules and alerts, as the chart renders them."""
    manifest = find(render({"monitoring": {"enabled": True}}), "PrometheusRule", "fabric-offhook")
    return [rule for group in manifest["spec"]["groups"] for rule in group["rules"]]


async def talk(fabric: Fabric) -> None:
    """A call through a worker that takes samples, and one that no model answers."""
    async with LiveCaller(fabric) as caller:
        await caller.call(path="/v1/realtime/calls?model=pcm-echo-24000")
        caller.speak()
        await caller.until(lambda: len(caller.heard) >= FRAMES, "an echo")
        await caller.request("POST", f"/v1/realtime/calls/{caller.call_id}/hangup")
    async with LiveCaller(fabric) as caller:
        status, _, _ = await caller.request(
            "POST",
            "/v1/realtime/calls?model=nobody",
            body=caller.client.offer(),
            headers={"Content-Type": "application/sdp"},
        )
        assert status == 404


def scrape(fabric: Fabric) -> Iterator[Metric]:
    """Every family of every process."""
    for process in fabric.ready["processes"]:
        with urllib.request.urlopen(process["metrics"], timeout=10) as response:
            yield from text_string_to_metric_families(response.read().decode())


@pytest.fixture(scope="module", params=ENGINES)
def scraped(request: pytest.FixtureRequest) -> Scraped:
    """What a fabric says of itself after a call, whose relays have that engine."""
    options = ("--relays", "1", "--transceivers", "1", "--worker", "pcm-echo", "--engine", request.param)
    with running_fabric(*options) as fabric:
        asyncio.run(talk(fabric))
        return Scraped(scrape(fabric))


@pytest.fixture(scope="module")
def recorded(rules: list[dict[str, Any]]) -> dict[str, set[str]]:
    """What recording rules make, by name: its labels."""
    return {
        rule["record"]: labels_joined(rule["expr"]) | rule.get("labels", {}).keys()
        for rule in rules
        if "record" in rule
    }


def test_every_rule_finds_what_it_asks_for(
    scraped: Scraped, rules: list[dict[str, Any]], recorded: dict[str, set[str]]
) -> None:
    missing = {
        f"{rule.get('alert') or rule['record']}: {fault}"
        for rule in rules
        for fault in scraped.missing(rule["expr"], recorded)
    }
    assert not missing


def test_every_panel_finds_what_it_asks_for(scraped: Scraped, recorded: dict[str, set[str]]) -> None:
    missing = {
        f"{path.stem}: {fault}"
        for path in DASHBOARDS
        for expression in expressions_on(json.loads(path.read_text()))
        for fault in scraped.missing(expression, recorded)
    }
    assert not missing


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("fabric_relay_flaws", "no scrape has fabric_relay_flaws"),
        ('fabric_relay_drops_total{cause="x"}', "fabric_relay_drops_total has no label cause"),
        (
            'fabric_relay_drops_total{reason=~"bad_integrity|tired"}',
            'fabric_relay_drops_total: reason is never "tired"',
        ),
        ("sum by (colour) (fabric_relay_flows)", "fabric_relay_flows: no label colour"),
        ('sum by (pod, reason) (rate(fabric_relay_drops_total{namespace="$namespace"}[5m])) or up', None),
    ],
)
def test_what_is_missing_is_told_by_name(scraped: Scraped, expression: str, fault: str | None) -> None:
    assert list(scraped.missing(expression, {})) == ([fault] if fault else [])
