"""Autoscalers ask for what the documented formula says, and nothing else of the chart moves their number of pods."""

import re
from math import ceil
from typing import Any

import pytest

from tests.chart.promql import selectors
from tests.chart.rendering import Manifest, find, render

ROLES = {"transceiver": ("StatefulSet", 1), "worker": ("Deployment", 2)}
NAME = "fabric-offhook-{}"


def rendered(role: str, kind: str, **own: Any) -> list[Manifest]:  # noqa: ANN401 - any value of the chart
    """The chart with that autoscaler for the role."""
    return render({role: {"autoscaling": {"kind": kind, **own}}, "monitoring": {"enabled": True}})


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", ["hpa", "keda"])
def test_an_autoscaled_role_has_no_number_of_its_own(role: str, kind: str) -> None:
    workload, _ = ROLES[role]
    assert find(render(), workload, NAME.format(role))["spec"]["replicas"] == 2
    assert "replicas" not in find(rendered(role, kind), workload, NAME.format(role))["spec"]


@pytest.mark.parametrize("role", ROLES)
def test_each_metric_of_an_hpa_is_recorded(role: str) -> None:
    workload, metrics = ROLES[role]
    manifests = rendered(role, "hpa", minReplicas=3, maxReplicas=9)
    spec = find(manifests, "HorizontalPodAutoscaler", NAME.format(role))["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": workload, "name": NAME.format(role)}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 9)
    rules = find(manifests, "PrometheusRule", "fabric-offhook")["spec"]["groups"]
    recorded = {rule["record"].replace(":", "_") for group in rules for rule in group["rules"] if "record" in rule}
    asked = [metric["external"]["metric"] for metric in spec["metrics"]]
    assert len(asked) == metrics
    for metric in asked:
        assert metric["name"] in recorded
        assert metric["selector"]["matchLabels"] == {"namespace": "voice", "release": "fabric"}


@pytest.mark.parametrize("role", ROLES)
def test_keda_asks_prometheus_for_the_same(role: str) -> None:
    workload, metrics = ROLES[role]
    spec = find(rendered(role, "keda", warmCalls=77), "ScaledObject", NAME.format(role))["spec"]
    assert spec["scaleTargetRef"]["kind"] == workload
    assert len(spec["triggers"]) == metrics
    for trigger in spec["triggers"]:
        (asked,) = selectors(trigger["metadata"]["query"])
        assert asked.metric.startswith(f"fabric_{role}_")
        assert [(each.name, each.value) for each in asked.matchers] == [("namespace", "voice")]
        # A target per pod: the autoscaler divides the query's result by it, and rounds up.
        assert trigger["metricType"] == "AverageValue"
    assert spec["triggers"][0]["metadata"]["query"].endswith("+ 77")


@pytest.mark.parametrize(("calls", "pods"), [(0, 1), (150, 1), (151, 2), (950, 5)])
def test_the_formula_is_the_documented_one(calls: int, pods: int) -> None:
    spec = find(rendered("transceiver", "hpa"), "HorizontalPodAutoscaler", NAME.format("transceiver"))["spec"]
    (metric,) = spec["metrics"]
    rules = find(rendered("transceiver", "hpa"), "PrometheusRule", "fabric-offhook")["spec"]["groups"]
    wanted = next(
        rule["expr"]
        for group in rules
        for rule in group["rules"]
        if rule.get("record") == "fabric:transceiver_calls:wanted"
    )
    warm = int(re.fullmatch(r"fabric:transceiver_calls:active \+ (\d+)", wanted)[1])  # type: ignore[index]  # or it fails
    assert ceil((calls + warm) / int(metric["external"]["target"]["averageValue"])) == pods


def test_workers_that_are_elsewhere_are_not_scaled() -> None:
    manifests = render({"worker": {"enabled": False, "external": ["dns:gpu:7100"], "autoscaling": {"kind": "hpa"}}})
    assert not [each for each in manifests if each["kind"] == "HorizontalPodAutoscaler"]


def test_the_emptiest_worker_goes_first() -> None:
    name = NAME.format("deletion-costs")
    manifests = rendered("worker", "keda")
    deployment = find(manifests, "Deployment", name)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    arguments = container["args"]
    workers = find(manifests, "Deployment", NAME.format("worker"))["spec"]["selector"]["matchLabels"]
    said = arguments[arguments.index("--selector") + 1]
    assert dict(each.split("=") for each in said.split(",")) == workers
    assert find(manifests, "Role", name)["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "patch"]}
    ]
    for off in (render(), rendered("worker", "keda", emptiestFirst=False)):
        assert not [each for each in off if each["metadata"]["name"] == name]
