"""The configuration files in the chart are what the services read, not what they once read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from offhook.service.config import Config, load_config
from offhook.worker_role import WorkerConfig
from relay.config import RelayConfig
from tests.chart.rendering import CHART, EXAMPLES, find, render
from transceiver.config import TransceiverConfig
from transceiver.signalling.access.rates import RequestRates

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


@pytest.mark.parametrize("role", ROLES)
def test_every_setting_of_a_role_can_be_given(role: str) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = schema["properties"][role]["properties"]["config"]["properties"]
    assert set(known) == set(ROLES[role].model_fields), f"{role}.config of values.schema.json lists what the role reads"
    given = {name: f"given {name}" for name in known}
    file = find(render({role: {"config": given}}), "ConfigMap", f"fabric-offhook-{role}")["data"][f"{role}.yaml"]
    assert yaml.safe_load(file) == given


def test_what_a_key_may_do_reaches_the_transceivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "modelAliases": {"voice-*": "agent", "whisper-*": None},
        "requestRates": {"apiKeyPerMinute": 6, "clientSecretPerMinute": 2, "tokensPerMinute": 1000},
        "mcpServers": ["https://mcp.example.com/tools"],
        "corsOrigins": ["https://app.example.com"],
    }
    file = find(render({"transceiver": values}), "ConfigMap", "fabric-offhook-transceiver")["data"]["transceiver.yaml"]
    for name, value in {**POD, "POD_IP": "10.244.1.5"}.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "config.yaml"
    path.write_text(file)
    config = load_config(path, TransceiverConfig)
    assert config.model_aliases == {"voice-*": "agent", "gpt-realtime*": "", "gpt-4o-*": ""}
    assert config.request_rates == RequestRates(
        api_key_per_minute=6, client_secret_per_minute=2, tokens_per_minute=1000
    )
    assert config.mcp_servers == ("https://mcp.example.com/tools",)
    assert config.cors_origins == ("https://app.example.com",)


def test_the_charts_defaults_are_the_transceivers() -> None:
    file = find(render(), "ConfigMap", "fabric-offhook-transceiver")["data"]["transceiver.yaml"]
    written = yaml.safe_load(file)
    for name in ("model_aliases", "request_rates", "mcp_servers", "cors_origins"):
        default = TransceiverConfig.model_fields[name].get_default(call_default_factory=True)
        assert written[name] == TypeAdapter(object).dump_python(default, mode="json", exclude_none=True), name


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
