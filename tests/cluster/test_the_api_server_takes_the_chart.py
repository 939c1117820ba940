"""What the chart renders, unknown fields forbidden, as a real API server judges it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import EXAMPLES, render
from tests.chart.test_manifests_are_valid import EVERYTHING
from tests.cluster.cluster import Cluster, CommandFailed

KINDS_OF_OTHERS = {
    "PodMonitor": "podmonitors.monitoring.coreos.com",
    "PrometheusRule": "prometheusrules.monitoring.coreos.com",
    "ScaledObject": "scaledobjects.keda.sh",
}


@pytest.fixture(scope="module", autouse=True)
def custom_kinds(cluster: Cluster) -> None:
    """What the Prometheus operator and KEDA would have installed."""
    for name in KINDS_OF_OTHERS.values():
        cluster.kubectl("create", "--filename", str(cluster.custom_kind(name)))
        cluster.kubectl("wait", "--for=condition=established", f"crd/{name}", "--timeout=30s")
    cluster.kubectl("create", "namespace", "judged")


def judged(cluster: Cluster, manifests: list[dict[str, Any]]) -> str:
    """What the API server says of them. Nothing is made."""
    for manifest in manifests:
        manifest["metadata"]["namespace"] = "judged"
    options = ("--dry-run=server", "--validate=strict", "--filename=-")
    return cluster.kubectl("apply", *options, namespace="judged", stdin=yaml.safe_dump_all(manifests))


@pytest.mark.parametrize("example", [None, *EXAMPLES], ids=lambda path: path.stem if path else "everything")
def test_every_object_is_taken(cluster: Cluster, example: Path | None) -> None:
    manifests = render({} if example else EVERYTHING, files=[example] if example else [])
    assert judged(cluster, manifests).count("(server dry run)") == len(manifests)


def test_an_unknown_field_would_not_be(cluster: Cluster) -> None:
    manifests = [each for each in render(EVERYTHING) if each["kind"] == "StatefulSet"]
    manifests[0]["spec"]["template"]["spec"]["containers"][0]["privilegde"] = True
    with pytest.raises(CommandFailed, match="privilegde"):
        judged(cluster, manifests)
