"""The chart as a real Helm renders it."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/offhook"
EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))
HELM = ROOT / "build/helm"
PROMTOOL = ROOT / "build/promtool"
NAMESPACE = "voice"

Manifest = dict[str, Any]


class Refused(Exception):
    """Helm did not render; the message is what it said."""


def require_helm() -> Path:
    """Helm, or a skipped test; in CI, where nothing may be missing, a failed one."""
    return _require(HELM)


def require_promtool() -> Path:
    """Prometheus's own judge of rules, likewise."""
    return _require(PROMTOOL)


def _require(tool: Path) -> Path:
    if not tool.exists():
        reason = f"no {tool.name} here: run make setup-test"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}, and CI must run this")
        pytest.skip(reason)
    return tool


def render(values: Mapping[str, Any] | None = None, *, files: Sequence[Path] = ()) -> list[Manifest]:
    """Every manifest of a release, hooks included.

    Raises:
        Refused: with Helm's words.
    """
    helm = require_helm()
    options = [option for file in files for option in ("--values", str(file))]
    command: list[str | Path] = [helm, "template", "fabric", CHART, "--namespace", NAMESPACE, *options, "--values", "-"]
    done = subprocess.run(
        command, input=yaml.safe_dump(dict(values or {})), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Refused(done.stderr)
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def nested(path: str, value: object) -> dict[str, Any]:
    """`relay.port`, 443 → {"relay": {"port": 443}}."""
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` put upon it, mapping by mapping."""
    both = {name: merged(base[name], over[name]) for name in base.keys() & over.keys() if isinstance(base[name], dict)}
    return {**base, **over, **both}


def find(manifests: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The one manifest of that kind and name."""
    (found,) = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def expressions_on(dashboard: Mapping[str, Any]) -> list[str]:
    """What a dashboard asks Prometheus."""
    targets = (target for panel in dashboard["panels"] for target in panel.get("targets", ()))
    return [target["expr"] for target in targets if target["datasource"]["type"] == "prometheus"]


def pod_specs(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Kind and name, and pod specification, of everything that makes pods."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if manifest["kind"] in {"DaemonSet", "Deployment", "StatefulSet", "Job", "CronJob"}:
            yield f"{manifest['kind']} {manifest['metadata']['name']}", spec["template"]["spec"]
