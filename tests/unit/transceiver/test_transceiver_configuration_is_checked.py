"""A transceiver's configuration is refused with a reason before anything is opened."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from offhook.service.config import ConfigError, load_config
from tests.support.whole_transceiver import config
from transceiver import service
from transceiver.config import TransceiverConfig

GOOD: dict[str, Any] = {
    "name": "transceiver-1",
    "cluster_id": 1,
    "transceiver_id": 1,
    "http_listen": "0.0.0.0:8080",
    "peer_listen": "10.0.0.1:8081",
    "media_listen": "10.0.0.1:7000",
    "route_listen": "10.0.0.1:7001",
    "admin_listen": "0.0.0.0:9090",
    "peers": ["dns:transceivers:7001", "unix:/run/route.sock"],
    "workers": ["dns:workers:7100"],
    "candidates": ["203.0.113.1:3478", "[2001:db8::1]:3478"],
    "relay_networks": ["10.2.0.0/16"],
    "keys_file": "/keys.json",
    "api_keys_file": "/api_keys",
}


def load(directory: Path, **changes: object) -> TransceiverConfig:
    """Reads GOOD with changes, as from a file."""
    path = directory / "transceiver.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return load_config(path, TransceiverConfig)


def test_a_whole_configuration_is_taken(tmp_path: Path) -> None:
    assert load(tmp_path).candidates == tuple(GOOD["candidates"])
    everywhere = {"peer_listen": "0.0.0.0:8081", "media_listen": "[::]:7000"}
    load(tmp_path, **everywhere, peer_url="http://10.0.0.1:8081", media_address="10.0.0.1:7000")


@pytest.mark.parametrize("candidate", ["relays", "dns:relays.example.com:3478", "loadbalancer:fabric/relays:3478"])
def test_candidates_may_be_found_out(tmp_path: Path, candidate: str) -> None:
    assert load(tmp_path, candidates=[candidate]).candidates == (candidate,)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("media_address", "transceiver:7000"),
        ("media_address", "0.0.0.0:7000"),
        ("candidates", ["relay.example:3478"]),
        ("candidates", ["0.0.0.0:3478"]),
        ("candidates", ["203.0.113.1:0"]),
        ("candidates", []),
        ("peers", ["transceivers:7001"]),
        ("workers", ["unix:relative.sock"]),
        ("route_listen", "dns:transceivers:7001"),
        ("route_listen", "nonsense"),
        ("relay_networks", ["10.2.0.0/99"]),
        ("relay_networks", ["10.2.0.1/16"]),
        ("peer_url", "10.0.0.1:8081"),
        ("peer_url", "http://10.0.0.1:8081/"),
        ("peer_url", "http://10.0.0.1:8081/v1?"),
        ("peer_url", "file:///etc"),
        ("worker_link", {"output_credit_ms": 1000}),
        ("worker_link", {"tls_certificate_file": "cert.pem"}),
        ("worker_link", {"nonsense": 1}),
    ],
)
def test_what_cannot_work_is_named(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        load(tmp_path, **{field: value})


@pytest.mark.parametrize(("listen", "wanted"), [("peer_listen", "peer_url"), ("media_listen", "media_address")])
def test_every_interface_is_no_address_to_give_to_others(tmp_path: Path, listen: str, wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        load(tmp_path, **{listen: "0.0.0.0:8081"})


@pytest.mark.parametrize("field", ["workers", "peers", "candidates"])
async def test_who_is_to_ask_kubernetes_and_is_nowhere_ends_with_a_sentence(
    field: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "nothing"))
    configuration = config(tmp_path, **{field: ("kubernetes:voice/others:grpc",)})
    with pytest.raises(ConfigError, match="service account"):
        await asyncio.wait_for(service.serve(configuration, asyncio.Event(), tmp_path / "ready.json"), 20)
