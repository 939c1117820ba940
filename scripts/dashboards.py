"""Makes the Grafana dashboards of the chart from deploy/dashboards/*.yaml. With --check it only says whether they are.

The source says what a panel shows; where it stands, and what all panels have in common, is decided here. A row's panels
share its width. Every selector of an expression is narrowed to what the dashboard's variables pick.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = ROOT / "deploy/dashboards"
CHART_FILES: Final = ROOT / "deploy/helm/offhook/files/dashboards"

COLUMNS: Final = 24
HEIGHTS: Final = {"stat": 4, "timeseries": 8, "logs": 12, "table": 8, "traces": 8}
SCHEMA_VERSION: Final = 39
"""Of Grafana 10.4; later ones bring it up to date by themselves."""
SELECTOR: Final = re.compile(r"\b((?:fabric|process|scrape)[a-z0-9_:]+|up|ALERTS)\b(?:\{([^}]*)\})?(?!\()")
DATASOURCE: Final = "${datasource}"

Json = dict[str, Any]


def dashboard(source: Mapping[str, Any]) -> Json:
    """One dashboard as Grafana imports it."""
    variables = list(source.get("variables", ("namespace",)))
    datasources = [] if "logs" in variables else ["datasource"]
    return {
        "uid": source["uid"],
        "title": source["title"],
        "description": source["description"].strip(),
        "tags": ["offhook"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": source.get("since", "now-6h"), "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "dashboards",
                "title": "offhook",
                "tags": ["offhook"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": [_variable(name, source) for name in [*datasources, *variables]]},
        "panels": list(_panels(source["rows"], [name for name in variables if name in ("namespace", "pod")])),
    }


def _variable(name: str, source: Mapping[str, Any]) -> Json:
    if name in ("datasource", "logs", "traces"):
        kind = {"datasource": "prometheus", "logs": "loki", "traces": "tempo"}[name]
        return {"name": name, "label": kind.capitalize(), "type": "datasource", "query": kind}
    if name == "call":
        return {"name": name, "label": "Call id", "type": "textbox", "query": ""}
    marker = source["marker"]
    scope = '{namespace=~"$namespace"}' if name == "pod" else ""
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": {"type": "prometheus", "uid": DATASOURCE},
        "query": {"query": f"label_values({marker}{scope}, {name})", "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panels(rows: list[Mapping[str, Any]], scope: list[str]) -> Iterator[Json]:
    number, y = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row["title"],
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        }
        y += 1
        panels = row["panels"]
        width = COLUMNS // len(panels)
        height = max(HEIGHTS[panel.get("kind", "timeseries")] for panel in panels)
        for column, panel in enumerate(panels):
            number += 1
            place = {"x": column * width, "y": y, "w": width, "h": height}
            yield {"id": number, **_panel(panel, scope), "gridPos": place}
        y += height


def _panel(panel: Mapping[str, Any], scope: list[str]) -> Json:
    kind = panel.get("kind", "timeseries")
    source = panel.get("source", "prometheus")
    datasource = {
        "type": source,
        "uid": {"prometheus": DATASOURCE, "loki": "${logs}", "tempo": "${traces}"}[source],
    }
    return {
        "type": kind,
        "title": panel["title"],
        "description": panel["description"].strip(),
        "datasource": datasource,
        "targets": [
            _target(letter, legend, query, datasource, scope)
            for letter, (legend, query) in zip("ABCDEFGH", panel["queries"].items(), strict=False)
        ],
        "fieldConfig": {"defaults": _defaults(panel, kind), "overrides": []},
        "options": _options(kind),
    }


def _target(letter: str, legend: str, query: str, datasource: Json, scope: list[str]) -> Json:
    target: Json = {"refId": letter, "datasource": datasource}
    if datasource["type"] == "tempo":
        return {**target, "queryType": "traceql", "query": query}
    expression = narrowed(query, scope) if datasource["type"] == "prometheus" else query
    return {**target, "expr": expression, "legendFormat": legend}


def narrowed(expression: str, scope: list[str]) -> str:
    """The expression with every selector limited to what the variables pick."""
    limits = [f'{name}=~"${name}"' for name in scope]

    def narrow(found: re.Match[str]) -> str:
        own = [found[2]] if found[2] else []
        return f"{found[1]}{{{', '.join([*limits, *own])}}}"

    return SELECTOR.sub(narrow, " ".join(expression.split())) if limits else " ".join(expression.split())


def _defaults(panel: Mapping[str, Any], kind: str) -> Json:
    steps = [{"color": colour, "value": value} for value, colour in panel.get("thresholds", {}).items()]
    # The lowest has no lower bound.
    steps = [{**steps[0], "value": None}, *steps[1:]] if steps else [{"color": "green", "value": None}]
    defaults: Json = {
        "unit": panel["unit"],
        "min": panel.get("min", 0),
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if "max" in panel:
        defaults["max"] = panel["max"]
    if kind == "timeseries":
        drawn = "line" if "thresholds" in panel else "off"
        stacking = {"mode": "normal" if panel.get("stacked") else "none"}
        defaults["custom"] = {
            "fillOpacity": 15 if panel.get("stacked") else 0,
            "lineWidth": 1,
            "showPoints": "never",
            "stacking": stacking,
            "thresholdsStyle": {"mode": drawn},
        }
    return defaults


def _options(kind: str) -> Json:
    if kind == "stat":
        return {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
    if kind == "timeseries":
        legend = {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "logs":
        return {"showTime": True, "wrapLogMessage": True, "sortOrder": "Ascending", "enableLogDetails": True}
    return {}


def rendered() -> dict[Path, str]:
    """What each file of the chart is to hold."""
    sources = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(SOURCES.glob("*.yaml"))}
    return {
        CHART_FILES / f"{name}.json": json.dumps(dashboard(source), indent=1) + "\n" for name, source in sources.items()
    }


def main() -> int:
    """Writes them, and removes what has no source any more. Returns 1 where --check finds something to do."""
    files = rendered()
    present = {path: path.read_text() for path in CHART_FILES.glob("*.json")}
    if "--check" in sys.argv[1:]:
        if present == files:
            return 0
        sys.stderr.write("the dashboards are not what deploy/dashboards says: run make dashboards\n")
        return 1
    for path in present.keys() - files.keys():
        path.unlink()
    CHART_FILES.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
