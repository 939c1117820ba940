"""Scans the chart as rendered with checkov, and fails on whatever deploy/policy.yaml does not explain: `make policy`.

Usage: policy.py HELM CHECKOV. Nothing is sent anywhere.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

ROOT: Final = Path(__file__).parents[1]
CHART: Final = ROOT / "deploy/helm/offhook"
EXPLAINED: Final = ROOT / "deploy/policy.yaml"
EVERYTHING: Final = {
    "monitoring": {"enabled": True, "dashboards": {"enabled": True}},
    "keys": {"rotation": {"enabled": True}},
    "transceiver": {"autoscaling": {"kind": "hpa"}, "ingress": {"enabled": True}},
    "worker": {"autoscaling": {"kind": "hpa"}},
    "bench": {"enabled": True},
}


class Found(NamedTuple):
    """One finding: the check that failed, what it asks for, and the object."""

    check: str
    name: str
    resource: str


def rendered(helm: str) -> str:
    """The chart with everything switched on that can be."""
    command = [helm, "template", "fabric", str(CHART), "--namespace", "voice", "--values", "-"]
    values = yaml.safe_dump(EVERYTHING)
    done = subprocess.run(command, input=values, capture_output=True, text=True, check=True)  # noqa: S603 - our Helm
    return done.stdout


def findings(checkov: str, manifests: Path) -> list[Found]:
    """Everything that checkov has against them."""
    command = [checkov, "--framework", "kubernetes", "--file", str(manifests), "--compact", "--output", "json"]
    done = subprocess.run(  # noqa: S603 - installed from our lock file
        [*command, "--skip-download", "--soft-fail"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LOG_LEVEL": "ERROR"},
    )
    results = json.loads(done.stdout)["results"]
    if not results["passed_checks"]:
        raise SystemExit("policy: checkov has looked at nothing")
    return [Found(each["check_id"], each["check_name"], each["resource"]) for each in results["failed_checks"]]


def faults(found: list[Found], explained: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What nobody has explained, and explanations of nothing."""
    used = set()
    for each in found:
        reason = explained.get(each.check)
        if reason is not None and re.search(reason.get("on", ""), each.resource):
            used.add(each.check)
        else:
            yield f"{each.check}: {each.name}: {each.resource}"
    for check in explained.keys() - used:
        yield f"{check}: explained in {EXPLAINED.relative_to(ROOT)}, and found nowhere"


def main() -> int:
    """Returns the exit code."""
    helm, checkov = sys.argv[1:]
    explained = yaml.safe_load(EXPLAINED.read_text())
    with tempfile.TemporaryDirectory() as directory:
        manifests = Path(directory) / "chart.yaml"
        manifests.write_text(rendered(helm))
        found = findings(checkov, manifests)
    wrong = list(faults(found, explained))
    for line in wrong:
        sys.stderr.write(f"policy: {line}\n")
    sys.stdout.write(f"policy: {len(found)} findings, {len(found) - len(wrong)} explained in deploy/policy.yaml\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
