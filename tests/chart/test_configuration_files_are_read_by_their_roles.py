"""The configuration files in the chart are what the services read, not what they once read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from offhook.service.config import Config, load_config
from offhook.worker_role import WorkerConfig
from relay.config import RelayConfig
from tests.chart.rendering import EXAMPLES, find, render
from transceiver.config import TransceiverConfig

ROLES: Mapping[str, type[Config]] = {"relay": RelayConfig, "transceiver": TransceiverConfig, "worker": WorkerConfig}
POD = {"POD_NAME": "fabric-offhook-3", "POD_INDEX": "3", "HOST_IP": "192.0.2.7"}
SERVICE = {"FABRIC_OFFHOOK_RELAY_SERVICE_HOST": "10.96.0.9"}


def has(role: str, example: Path | None) -> bool:
    """Whether the chart runs that role: workers may be elsewhere."""
    return role != "worker" or example is None or "worker:\n  enabled: false" not in example.read_text()


@pytest.mark.parametrize("pod_ip", ["10.244.1.5", "fd00::5"])
@pytest.mark.parametrize(
    ("role", "example"), [(role, example) for role in ROLES for example in (None, *EXAMPLES) if has(role, example)]
)
def test_a_pod_can_read_its_file(
    role: str, example: Path | None, pod_ip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = render({"listenAddress": "::"} if ":" in pod_ip else {}, files=[example] if example else [])
    for name, value in {**POD, **SERVICE, "POD_IP": pod_ip}.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "config.yaml"
    path.write_text(find(manifests, "ConfigMap", f"fabric-offhook-{role}")["data"][f"{role}.yaml"])
    load_config(path, ROLES[role])


@pytest.mark.parametrize(
    ("relay", "advertised", "candidates"),
    [
        ({"expose": "hostPort", "port": 443}, "${HOST_IP}:443", "relays"),
        ({"expose": "NodePort", "nodePort": 30500}, "${HOST_IP}:30500", "relays"),
        (
            {"expose": "LoadBalancer"},
            "${FABRIC_OFFHOOK_RELAY_SERVICE_HOST}:3478",
            "loadbalancer:fabric-offhook-relay:3478",
        ),
        ({"advertise": ["203.0.113.5:3478"]}, "203.0.113.5:3478", "relays"),
    ],
)
def test_clients_are_told_where_relays_are(relay: Mapping[str, Any], advertised: str, candidates: str) -> None:
    manifests = render({"relay": relay})
    assert f"- {advertised}\n" in find(manifests, "ConfigMap", "fabric-offhook-relay")["data"]["relay.yaml"]
    file = find(manifests, "ConfigMap", "fabric-offhook-transceiver")["data"]["transceiver.yaml"]
    assert f"candidates:\n- {candidates}\n" in file
