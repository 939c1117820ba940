"""Grafana can load every dashboard of the chart, and Prometheus every expression on it.

That its metrics exist is tests/system/test_what_alerts_ask_for_is_scraped.py's affair.
"""

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, ROOT, Manifest, expressions_on, find, render, require_promtool
from transceiver.quality.report import CallReport

SCRIPT = ROOT / "scripts/dashboards.py"
FILES = sorted((CHART / "files/dashboards").glob("*.json"))
COLUMNS = 24
VARIABLE = re.compile(r"\$\{?([a-zA-Z]\w*)\}?")
GIVEN_BY_GRAFANA = {"__all", "__rate_interval", "__range", "__data"}
NAMES = [path.stem for path in FILES]

Json = dict[str, Any]


@pytest.fixture(params=FILES, ids=NAMES)
def dashboard(request: pytest.FixtureRequest) -> Json:
    path: Path = request.param
    content: Json = json.loads(path.read_text())
    return content


def panels(dashboard: Json) -> Iterator[Json]:
    """What shows data: all but the headings of rows."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def test_the_chart_has_what_the_sources_say() -> None:
    checked = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_grafanas_sidecar_finds_them() -> None:
    values = {"monitoring": {"dashboards": {"enabled": True}}}
    config_map: Manifest = find(render(values), "ConfigMap", "fabric-offhook-dashboards")
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    loaded = {name: json.loads(text) for name, text in config_map["data"].items()}
    assert loaded == {f"offhook-{path.name}": json.loads(path.read_text()) for path in FILES}


def test_each_is_another_one() -> None:
    loaded = [json.loads(path.read_text()) for path in FILES]
    assert len({each["uid"] for each in loaded}) == len({each["title"] for each in loaded}) == len(FILES) >= 4
    # Grafana's bounds.
    assert all(len(each["uid"]) <= 40 for each in loaded)


def test_panels_have_a_place_of_their_own(dashboard: Json) -> None:
    every = dashboard["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    for panel in every:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
    for one, other in combinations((panel["gridPos"] for panel in every), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_panels_say_what_they_show(dashboard: Json) -> None:
    assert dashboard["description"]
    for panel in panels(dashboard):
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        levels = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert levels[0] is None, panel["title"]
        assert levels[1:] == sorted(levels[1:]), panel["title"]
        assert panel["targets"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_variable_is_the_dashboards_own(dashboard: Json) -> None:
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    used = set(VARIABLE.findall(json.dumps(dashboard["panels"] + dashboard["templating"]["list"])))
    assert used - GIVEN_BY_GRAFANA == set(variables)
    for panel in panels(dashboard):
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            # The reader's Grafana, not ours.
            name = VARIABLE.fullmatch(target["datasource"]["uid"])
            assert name is not None
            assert variables[name[1]]["type"] == "datasource"


def test_what_is_read_of_a_calls_report_is_in_it() -> None:
    text = (CHART / "files/dashboards/call.json").read_text()
    fields = set(re.findall(r"unwrap (\w+)", text))
    assert len(fields) > 5
    assert fields <= {field.name for field in dataclasses.fields(CallReport)}


def test_prometheus_takes_every_expression(dashboard: Json, tmp_path: Path) -> None:
    promtool = require_promtool()
    if not expressions_on(dashboard):
        assert dashboard["uid"] == "offhook-call"
        return
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(expressions_on(dashboard))]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
