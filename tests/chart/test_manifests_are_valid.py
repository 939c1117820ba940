"""What the chart renders fits the last three versions of Kubernetes, and lets pods do no more than they must."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.chart.rendering import EXAMPLES, Manifest, find, pod_specs, render

VERSIONS = ("1.35", "1.36", "1.37")
CUSTOM = {"PodMonitor", "PrometheusRule", "ScaledObject"}
EVERYTHING: dict[str, Any] = {
    "bench": {"enabled": True},
    "monitoring": {"enabled": True},
    "keys": {"rotation": {"enabled": True}},
    "worker": {"autoscaling": {"kind": "hpa"}},
    "transceiver": {"autoscaling": {"kind": "hpa"}, "ingress": {"enabled": True}},
}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_fits_its_schema(version: str) -> None:
    manifests = render(EVERYTHING)
    assert len(manifests) > 30
    _validate(manifests, version)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_object_of_an_example_fits_its_schema(example: Path) -> None:
    _validate(render(files=[example]), VERSIONS[-1])


def _validate(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("example", [None, *EXAMPLES], ids=lambda path: path.stem if path else "everything")
def test_pods_may_do_no_more_than_they_must(example: Path | None) -> None:
    manifests = render({} if example else EVERYTHING, files=[example] if example else [])
    for name, pod in pod_specs(manifests):
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        assert "hostPath" not in str(pod.get("volumes")), name
        assert pod["serviceAccountName"] != "default", name
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"], name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name


def test_no_right_is_wider_than_its_use() -> None:
    manifests = render(EVERYTHING)
    assert not [each for each in manifests if each["kind"].startswith("Cluster")]
    rights = {each["metadata"]["name"]: each["rules"] for each in manifests if each["kind"] == "Role"}
    reading = [{"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}]
    assert rights["fabric-offhook-relay"] == reading
    assert rights["fabric-offhook-transceiver"] == reading
    # Only what is created can have no name yet.
    unnamed = [rule for rule in rights["fabric-offhook-key-keeper"] if "resourceNames" not in rule]
    assert unnamed == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]


def test_without_the_api_no_pod_holds_a_token() -> None:
    manifests = render({"discovery": "dns", "keys": {"existingSecret": "a"}, "apiKeys": {"existingSecret": "b"}})
    assert not [each for each in manifests if each["kind"] in {"Role", "RoleBinding"}]
    assert not [name for name, pod in pod_specs(manifests) if pod["automountServiceAccountToken"]]


def test_no_key_is_in_the_release() -> None:
    assert not [each for each in render(EVERYTHING) if each["kind"] == "Secret"]


def test_grace_drain_and_deadline_fit_together() -> None:
    manifests = render({"transceiver": {"drainSeconds": 600}, "worker": {"drainSeconds": 7}})
    for kind, name in (("DaemonSet", "relay"), ("StatefulSet", "transceiver"), ("Deployment", "worker")):
        pod = find(manifests, kind, f"fabric-offhook-{name}")["spec"]["template"]["spec"]
        settings = _configuration(manifests, name)
        before = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        needs = before + settings["drain_s"] + settings.get("handover_s", 0)
        assert needs + 5 <= pod["terminationGracePeriodSeconds"] <= needs + 60, name


def _configuration(manifests: list[Manifest], role: str) -> Manifest:
    text = find(manifests, "ConfigMap", f"fabric-offhook-{role}")["data"][f"{role}.yaml"]
    settings: Manifest = yaml.safe_load(text)
    return settings


def test_a_load_test_runs_once_per_revision_and_keeps_its_report() -> None:
    volume = {"persistentVolumeClaim": {"claimName": "reports"}}
    job = find(render({"bench": {"enabled": True, "reportVolume": volume}}), "Job", "fabric-offhook-bench-1")
    assert job["spec"]["backoffLimit"] == 0
    pod = job["spec"]["template"]["spec"]
    assert {"name": "report", **volume} in pod["volumes"]
    (container,) = pod["containers"]
    assert container["image"].startswith("offhook-bench:")
    assert container["args"][:3] == [
        "bench",
        "calls",
        "--target=http://fabric-offhook:80/v1/realtime/calls?model=loopback",
    ]
    assert {"--json=/report/result.json", "--html=/report/report.html", "--junit=/report/junit.xml"} < set(
        container["args"]
    )
    assert not pod["automountServiceAccountToken"]
    assert not [each for each in render() if "bench" in each["metadata"]["name"]]


def test_a_load_test_may_delete_pods_only_where_that_was_asked_for() -> None:
    harmless = render({"bench": {"enabled": True}})
    assert not [each for each in harmless if each["kind"] == "Role" and each["metadata"]["name"].endswith("bench")]
    killing = render({"bench": {"enabled": True, "killsPods": True, "args": ["--fault=kill-relay@30s"]}})
    assert find(killing, "Role", "fabric-offhook-bench")["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "delete"]}
    ]
    pod = find(killing, "Job", "fabric-offhook-bench-1")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"]
    assert "--pods=app.kubernetes.io/instance=fabric" in pod["containers"][0]["args"]
