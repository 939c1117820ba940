"""Every alert fires when it should and goes when it should, as Prometheus itself evaluates the rules of the chart.

Each case gives series over minutes (promtool's notation: `start+stepxN`, `valuexN`), a minute at which the alert fires,
and one at which it is over.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.chart.rendering import PROMTOOL, ROOT, find, render, require_promtool

LABELS = 'namespace="voice",release="fabric",pod="p"'


class Case(NamedTuple):
    """When one alert fires and is over, in steps of the series, which are minutes."""

    series: Mapping[str, str]
    fires_at: int
    over_at: int
    step_min: int = 1


def closed(reason: str) -> str:
    return f'fabric_transceiver_sessions_closed_total{{{LABELS},reason="{reason}"}}'


def refused(code: str) -> str:
    return f'fabric_transceiver_calls_refused_total{{{LABELS},code="{code}"}}'


OPENED = f"fabric_transceiver_sessions_opened_total{{{LABELS}}}"
ANSWERS = f'fabric_transceiver_answer_latency_seconds_count{{{LABELS},stage="total"}}'
QUICK = f'fabric_transceiver_answer_latency_seconds_bucket{{{LABELS},stage="total",le="1.5"}}'
RATED = f'fabric_transceiver_call_gap_ratio_count{{{LABELS},direction="from_client"}}'
WHOLE = f'fabric_transceiver_call_gap_ratio_bucket{{{LABELS},direction="from_client",le="0.01"}}'
IN_TIME = 'fabric_transceiver_answer_latency_seconds_bucket{{{labels},stage="total",le="{le}"}}'
LAG = 'fabric_transceiver_loop_lag_seconds_bucket{{{labels},le="{le}"}}'
CASES: Mapping[str, Case] = {
    "OffhookSetupsFailFast": Case(
        {OPENED: "0+600x200", closed("setup_timeout"): "0+0x30 100+100x30 3100+0x140"}, fires_at=58, over_at=80
    ),
    "OffhookSetupsFailSlowly": Case(
        {OPENED: "0+600x900", closed("dtls_failed"): "0+0x60 30+30x300 9000+0x540"}, fires_at=350, over_at=430
    ),
    "OffhookAnswersAreLateFast": Case(
        {ANSWERS: "0+60x200", QUICK: "0+60x30 1800+30x30 2700+60x140"}, fires_at=58, over_at=80
    ),
    "OffhookAnswersAreLateSlowly": Case(
        {ANSWERS: "0+60x900", QUICK: "0+60x60 3600+54x300 19800+60x540"}, fires_at=350, over_at=430
    ),
    "OffhookAudioHasGapsFast": Case(
        {RATED: "0+60x200", WHOLE: "0+60x30 1800+30x30 2700+60x140"}, fires_at=58, over_at=80
    ),
    "OffhookAudioHasGapsSlowly": Case(
        {RATED: "0+60x900", WHOLE: "0+60x60 3600+54x300 19800+60x540"}, fires_at=350, over_at=430
    ),
    "OffhookRelayOutOfSync": Case(
        {
            f"fabric_relay_transceivers{{{LABELS}}}": "3x60",
            f"fabric_relay_transceivers_synced{{{LABELS}}}": "3x10 2x10 3x40",
        },
        fires_at=15,
        over_at=25,
    ),
    "OffhookFlowTableFull": Case(
        {f'fabric_relay_drops_total{{{LABELS},reason="flow_table_full"}}': "0x10 0+5x5 25x45"}, fires_at=13, over_at=30
    ),
    "OffhookForgedChecks": Case(
        {f'fabric_relay_drops_total{{{LABELS},reason="bad_integrity"}}': "0x10 0+6000x20 120000x30"},
        fires_at=25,
        over_at=45,
    ),
    "OffhookRelayBudgetSpent": Case(
        {f'fabric_relay_budget_left{{{LABELS},budget="checks"}}': "1x10 0.01x5 1x45"}, fires_at=13, over_at=20
    ),
    "OffhookDiscoveryFails": Case(
        {f'fabric_discovery_failures_total{{{LABELS},reason="unreachable"}}': "0x10 0+2x20 40x30"},
        fires_at=28,
        over_at=45,
    ),
    "OffhookNoRelay": Case({f"fabric_transceiver_relays{{{LABELS}}}": "2x10 0x5 2x45"}, fires_at=13, over_at=20),
    "OffhookNoWorker": Case(
        {f"fabric_transceiver_workers_ready{{{LABELS}}}": "2x10 0x5 2x45"}, fires_at=13, over_at=20
    ),
    "OffhookCallsRefused": Case({refused("no_capacity"): "0x10 0+60x15 900x35"}, fires_at=20, over_at=35),
    "OffhookLoopIsLate": Case(
        {
            LAG.format(labels=LABELS, le="0.05"): "0+10x60",
            LAG.format(labels=LABELS, le="0.5"): "0+10x10 100+100x20 2100+10x30",
            LAG.format(labels=LABELS, le="+Inf"): "0+10x10 100+100x20 2100+10x30",
        },
        fires_at=25,
        over_at=45,
    ),
    "OffhookWorkersLost": Case(
        {f'fabric_transceiver_worker_sessions_lost_total{{{LABELS},reason="stream_ended"}}': "0x10 7x50"},
        fires_at=12,
        over_at=25,
    ),
    "OffhookCallsUnlikeLastWeek": Case(
        {f"fabric_transceiver_sessions{{{LABELS}}}": "100x2016 400x12 100x20"},
        fires_at=2026,
        over_at=2032,
        step_min=5,
    ),
    "OffhookAnswersSlowerThanLastWeek": Case(
        {
            # Half a second for a week, then a second and more for three hours.
            ANSWERS: "0+300x2200",
            IN_TIME.format(labels=LABELS, le="0.45"): "0+0x2200",
            IN_TIME.format(labels=LABELS, le="0.7"): "0+300x2027 608100+0x36 608100+300x137",
            IN_TIME.format(labels=LABELS, le="1.5"): "0+300x2200",
            IN_TIME.format(labels=LABELS, le="+Inf"): "0+300x2200",
        },
        fires_at=2045,
        over_at=2075,
        step_min=5,
    ),
    "OffhookWorkerFallsBehind": Case(
        {f"fabric_worker_real_time_factor{{{LABELS}}}": "0.4x10 1.3x10 0.4x40"}, fires_at=18, over_at=25
    ),
    "OffhookWorkersAreFull": Case(
        {
            f"fabric_worker_sessions{{{LABELS}}}": "10x10 99x10 10x40",
            f"fabric_worker_max_sessions{{{LABELS}}}": "100x60",
        },
        fires_at=18,
        over_at=25,
    ),
    "OffhookModelFails": Case(
        {f"fabric_worker_sessions_failed_total{{{LABELS}}}": "0x10 3x50"}, fires_at=12, over_at=25
    ),
}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules as the chart renders them, in a file of Prometheus's."""
    require_promtool()
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    manifest = find(render({"monitoring": {"enabled": True}}), "PrometheusRule", "fabric-offhook")
    path.write_text(yaml.safe_dump(manifest["spec"]))
    return path


def alerts(rules: Path) -> list[dict[str, object]]:
    return [rule for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"] if "alert" in rule]


def test_prometheus_takes_the_rules(rules: Path) -> None:
    done = subprocess.run([PROMTOOL, "check", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_and_a_runbook(rules: Path) -> None:
    assert {rule["alert"] for rule in alerts(rules)} == set(CASES)
    for rule in alerts(rules):
        annotations = rule["annotations"]
        assert isinstance(annotations, dict)
        assert annotations.keys() >= {"summary", "description", "runbook_url"}
        runbook = ROOT / annotations["runbook_url"]
        assert str(rule["alert"]) in runbook.read_text(), f"{runbook.name} does not speak of it"


def _firing(alert: str, minute: int, times: int) -> dict[str, object]:
    """That so many alerts of that name fire then."""
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    return {"expr": expression, "eval_time": f"{minute}m", "exp_samples": [{"labels": "{}", "value": times}]}


def rests_on(expression: str, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The recording rules that an expression needs, in their groups and their order."""
    needed: list[dict[str, Any]] = []
    asked = expression
    for group in reversed(groups):
        rules: list[dict[str, Any]] = []
        for rule in reversed(group["rules"]):
            if rule.get("record", "-") in asked:
                rules.insert(0, rule)
                asked += rule["expr"]
        if rules:
            needed.insert(0, {**group, "rules": rules})
    return needed


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_and_resolves(alert: str, rules: Path, tmp_path: Path) -> None:
    case = CASES[alert]
    expected = next(rule for rule in alerts(rules) if rule["alert"] == alert)

    only = tmp_path / "rules.yaml"
    # Week-long series are evaluated for their own rule alone, and what it rests on.
    groups = yaml.safe_load(rules.read_text())["groups"]
    recording = [{**group, "interval": f"{case.step_min}m"} for group in rests_on(str(expected["expr"]), groups)]
    only.write_text(yaml.safe_dump({"groups": [*recording, {"name": "its-own", "rules": [expected]}]}))
    test = {
        "rule_files": [str(only)],
        "evaluation_interval": f"{case.step_min}m",
        # Otherwise by chance: an alert may then see what its recording rules said a step before.
        "group_eval_order": [*(group["name"] for group in recording), "its-own"],
        "tests": [
            {
                "interval": f"{case.step_min}m",
                "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
                "promql_expr_test": [
                    _firing(alert, case.fires_at * case.step_min, 1),
                    _firing(alert, case.over_at * case.step_min, 0),
                ],
            }
        ],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test))
    done = subprocess.run([PROMTOOL, "test", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_budget_is_what_is_left_of_it(rules: Path, tmp_path: Path) -> None:
    series = {
        OPENED: "0+1000x30",
        closed("setup_timeout"): "0+2x30",
        refused("no_capacity"): "0+0.505x30",
        ANSWERS: "0+1000x30",
        QUICK: "0+980x30",
        RATED: "0+1000x30",
        WHOLE: "0+1000x30",
    }
    left = {"setups": 0.5, "answers": -1.0, "audio": 1.0}
    test = {
        "rule_files": [str(rules)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f'round(fabric:budget_left:ratio30d{{objective="{objective}"}}, 0.01)',
                        "eval_time": "30m",
                        "exp_samples": [{"labels": f'{{namespace="voice",objective="{objective}"}}', "value": value}],
                    }
                    for objective, value in left.items()
                ],
            }
        ],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test))
    done = subprocess.run([PROMTOOL, "test", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
