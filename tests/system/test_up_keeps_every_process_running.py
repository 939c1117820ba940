"""`offhook up`: what it writes, what it restarts, and what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.agent_models import need_models
from tests.support.fabric import running_fabric
from tests.support.processes import await_condition, await_end

OPTIONS = ("--relays", "2", "--transceivers", "1", "--workers", "1")


def offhook(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "offhook", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_ready_file_names_every_process_and_its_metrics() -> None:
    with running_fabric(*OPTIONS) as fabric:
        ready = fabric.ready
        assert ready["http"].startswith("http://127.0.0.1:")
        assert ready["api_key"]
        assert [address.rpartition(":")[0] for address in ready["media"]] == ["127.0.0.1"]
        assert [(process["role"], process["id"]) for process in ready["processes"]] == [
            ("worker", "worker-1"),
            ("transceiver", "transceiver-1"),
            ("relay", "relay-1"),
            ("relay", "relay-2"),
        ]
        for process in ready["processes"]:
            os.kill(process["pid"], 0)
            with urllib.request.urlopen(process["metrics"], timeout=10) as response:
                assert response.status == 200
            for probe in ("livez", "readyz"):
                with urllib.request.urlopen(process["metrics"].replace("metrics", probe), timeout=10) as response:
                    assert response.status == 200


@pytest.mark.parametrize("role", ["relay", "transceiver", "worker"])
def test_a_process_that_dies_is_started_again(role: str) -> None:
    with running_fabric(*OPTIONS) as fabric:
        victim = fabric.processes(role)[0]
        fabric.kill(victim)

        def is_replaced() -> bool:
            same_id = [process for process in fabric.processes(role) if process["id"] == victim["id"]]
            return bool(same_id) and same_id[0]["pid"] != victim["pid"]

        await_condition(is_replaced, f"restart of {victim['id']} in the ready file")
        assert len(fabric.ready["processes"]) == 4


def test_an_interrupt_stops_everything_and_is_no_failure() -> None:
    with running_fabric(*OPTIONS) as fabric:
        pids = [process["pid"] for process in fabric.ready["processes"]]
        fabric.supervisor.send_signal(signal.SIGINT)
        assert fabric.supervisor.wait(20) == 0
        await_end(pids)
        assert not fabric.ready_file.exists()


def test_nothing_survives_a_supervisor_that_was_killed() -> None:
    with running_fabric(*OPTIONS) as fabric:
        pids = [process["pid"] for process in fabric.ready["processes"]]
        fabric.supervisor.kill()
        await_end(pids)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("--media", "nonsense"), "127.0.0.1:3478"),
        (("--media", "0.0.0.0:0"), "--advertise"),
        (("--engine", "steam"), "--engine is"),
        (("--worker", "nobody"), "--worker is one of"),
        (("--http", "192.0.2.1:80"), "--http"),
        (("--tls-cert", "/nowhere.pem"), "--tls-key"),
        (("--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"), "/nowhere.pem"),
    ],
)
def test_wrong_options_end_with_one_line_of_advice(arguments: tuple[str, ...], advice: str) -> None:
    ended = offhook("up", *arguments)
    assert ended.returncode == 2
    assert advice in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_second_fabric_on_the_same_port_is_refused() -> None:
    with running_fabric(*OPTIONS) as fabric:
        ended = offhook("up", "--http", "127.0.0.1:0", "--media", fabric.ready["media"][0])
        assert ended.returncode == 2
        assert "in use" in ended.stderr


def test_a_wrong_configuration_file_ends_with_one_line_of_advice(tmp_path: Path) -> None:
    path = tmp_path / "relay.yaml"
    path.write_text("relay_id: r\ncolour: red\n")
    ended = offhook("relay", "--config", str(path))
    assert ended.returncode == 2
    assert "colour: no such setting" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_without_model_files_the_agent_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OFFHOOK_MODELS", str(tmp_path))
    ended = offhook("up", "--worker", "agent", "--http", "127.0.0.1:0", "--media", "127.0.0.1:0")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "offhook models fetch" in ended.stderr


def test_the_agent_takes_the_line() -> None:
    need_models()
    with running_fabric(*OPTIONS, "--worker", "agent") as fabric:
        request = urllib.request.Request(f"{fabric.ready['http']}/v1/models")
        request.add_header("Authorization", f"Bearer {fabric.ready['api_key']}")
        with urllib.request.urlopen(request, timeout=10) as response:
            models = json.load(response)
        assert "agent" in [model["id"] for model in models["data"]]
