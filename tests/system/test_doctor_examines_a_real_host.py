"""`offhook doctor` as a person runs it, on this machine and against a fabric that is up."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.planned_fabric import planned_fabric


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "offhook", "doctor", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def findings(ended: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in json.loads(ended.stdout)["findings"]}


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_it_names_the_process_that_has_a_port(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            holder.listen()
        host, port = holder.getsockname()
        option, transport = ("--media", "udp") if kind is socket.SOCK_DGRAM else ("--http", "tcp")
        ended = doctor("--json", option, f"{host}:{port}")
        assert ended.returncode == 1
        finding = findings(ended)[f"port {host}:{port}/{transport}"]
        assert finding["status"] == "failed"
        assert "(pid " in finding["found"]


def test_the_table_says_the_same_as_the_json() -> None:
    table = doctor("--media", "127.0.0.1:0", "--http", "127.0.0.1:0")
    assert table.returncode == 0, table.stdout
    as_json = doctor("--json", "--media", "127.0.0.1:0", "--http", "127.0.0.1:0")
    assert json.loads(as_json.stdout)["failed"] is False
    for check in findings(as_json):
        assert check in table.stdout


@pytest.mark.parametrize(
    "arguments", [("--media", "nonsense"), ("--config", "/nowhere/relay.yaml"), ("--colour",)], ids=" ".join
)
def test_misuse_is_told_apart_from_findings(arguments: tuple[str, ...]) -> None:
    assert doctor(*arguments).returncode == 2


def test_a_wrong_configuration_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "relay.yaml"
    path.write_text("relay_id: r\ncolour: red\n")
    ended = doctor("--json", "--config", str(path))
    assert ended.returncode == 1
    assert "colour: no such setting" in findings(ended)["configuration"]["found"]


async def test_every_role_of_a_fabric_is_in_order_and_misses_who_is_gone(tmp_path: Path) -> None:
    async with planned_fabric(tmp_path) as fabric:
        relay = await fabric.relay("relay-0")
        configs = [relay.plan.config, *(plan.config for plan in fabric.others)]
        for config in configs:
            ended = doctor("--json", "--config", str(config))
            assert ended.returncode == 0, ended.stdout
        assert any(
            check.startswith("transceiver unix:") for check in findings(doctor("--json", "--config", str(configs[0])))
        )
    gone = doctor("--json", "--config", str(configs[0]))
    assert gone.returncode == 1
    assert "does not answer" in gone.stdout
