"""The files of a local fabric: fresh keys and one configuration per process, as production would mount them."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from offhook.models.store import models_directory
from offhook.service.config import new_key_file
from offhook.up.bridges import Bridge
from wire.address import Address, format_address

CLUSTER_ID = 1


@dataclass(frozen=True)
class Options:
    """What the person asked for.

    Args:
        http: address of the API and the page.
        media: public UDP addresses of the relays.
        advertise: the same as clients reach them.
        relays, transceivers, workers: how many processes of each.
        worker: which reference worker, or a bridge.
        engine: the relays' engine.
        api_key: bearer key of the API.
        log_level: least severe level that the processes log.
        tls_certificate, tls_key: of the API and the page; None: plain HTTP.
        bridge: what the worker is where that is a bridge.
    """

    http: Address
    media: Sequence[Address]
    advertise: Sequence[Address]
    relays: int
    transceivers: int
    workers: int
    worker: str
    engine: str
    api_key: str
    log_level: str
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    bridge: Bridge | None = None

    @property
    def model(self) -> str:
        """What a call gets that names no model."""
        if not self.workers:
            return "loopback"
        return self.bridge.model if self.bridge is not None else self.worker


@dataclass(frozen=True)
class ProcessPlan:
    """One process to run: `offhook ROLE --config CONFIG --ready-file READY_FILE`."""

    role: str
    id: str
    config: Path
    ready_file: Path


def new_api_key() -> str:
    """A fresh bearer key."""
    return f"sk-offhook-{secrets.token_urlsafe(24)}"


class Layout:
    """Lays a fabric out under `directory`, which only its owner may read.

    Control connections are Unix sockets in it, so a local fabric takes no port beyond those it was asked to.
    """

    def __init__(self, directory: Path, options: Options) -> None:
        self._directory = directory
        self._options = options

    def write(self) -> list[ProcessPlan]:
        """Writes every file and returns the processes, in the order in which to start them."""
        self._write_private("keys.json", json.dumps(new_key_file()))
        self._write_private("client_secret_keys.json", json.dumps(new_key_file()))
        self._write_private("api_keys", self._options.api_key + "\n")
        options = self._options
        plans = [self._worker(f"worker-{number + 1}") for number in range(options.workers)]
        plans += [self._transceiver(f"transceiver-{number + 1}", number + 1) for number in range(options.transceivers)]
        plans += [self._relay(f"relay-{number + 1}") for number in range(options.relays)]
        return plans

    def _worker(self, name: str) -> ProcessPlan:
        bridge = self._options.bridge
        return self._plan(
            "worker",
            name,
            {
                "name": name,
                "worker": bridge.worker if bridge is not None else self._options.worker,
                "listen": self._socket(name),
                "admin_listen": "127.0.0.1:0",
                **(bridge.settings if bridge is not None else {}),
            },
        )

    def _transceiver(self, name: str, number: int) -> ProcessPlan:
        options = self._options
        return self._plan(
            "transceiver",
            name,
            {
                "name": name,
                "cluster_id": CLUSTER_ID,
                "transceiver_id": number,
                "http_listen": format_address(options.http),
                **self._tls(),
                "peer_listen": "127.0.0.1:0",
                "media_listen": "127.0.0.1:0",
                "route_listen": self._socket(name),
                "admin_listen": "127.0.0.1:0",
                "peers": self._transceiver_sockets(),
                "workers": [self._socket(f"worker-{number + 1}") for number in range(options.workers)],
                "candidates": [format_address(address) for address in options.advertise],
                "keys_file": str(self._directory / "keys.json"),
                "api_keys_file": str(self._directory / "api_keys"),
                "client_secret_keys_file": str(self._directory / "client_secret_keys.json"),
                "models_dir": str(models_directory()),
                "default_model": options.model,
                "drain_s": 0,
            },
        )

    def _relay(self, name: str) -> ProcessPlan:
        options = self._options
        return self._plan(
            "relay",
            name,
            {
                "relay_id": name,
                "cluster_id": CLUSTER_ID,
                "listen": [format_address(address) for address in options.media],
                "upstream_listen": "127.0.0.1:0",
                "transceivers": self._transceiver_sockets(),
                "admin_listen": "127.0.0.1:0",
                "keys_file": str(self._directory / "keys.json"),
                "engine": options.engine,
                "drain_s": 0,
                "handover_s": 0,
            },
        )

    def _tls(self) -> dict[str, str]:
        certificate, key = self._options.tls_certificate, self._options.tls_key
        if certificate is None or key is None:
            return {}
        return {"tls_certificate_file": str(certificate.resolve()), "tls_key_file": str(key.resolve())}

    def _transceiver_sockets(self) -> list[str]:
        return [self._socket(f"transceiver-{number + 1}") for number in range(self._options.transceivers)]

    def _socket(self, name: str) -> str:
        return f"unix:{self._directory / name}.sock"

    def _plan(self, role: str, name: str, config: Mapping[str, object]) -> ProcessPlan:
        path = self._directory / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**config, "log_level": self._options.log_level}, sort_keys=False))
        return ProcessPlan(role, name, path, self._directory / f"{name}.ready.json")

    def _write_private(self, name: str, content: str) -> None:
        path = self._directory / name
        path.touch(mode=0o600)
        path.write_text(content)
