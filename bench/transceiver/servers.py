"""The servers that are compared: this checkout's transceiver in each of its forms, str0m, Pion and aiortc."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.client import RELEASE, pinned, started
from bench.machine import CannotMeasure
from bench.process import Process
from offhook.service.config import new_key_file
from transceiver.config import TransceiverConfig

ROOT: Final = Path(__file__).resolve().parents[2]
AIORTC_LOCK: Final = ROOT / "requirements" / "bench-aiortc.txt"
AIORTC_HOME: Final = ROOT / "build" / "bench" / "aiortc"
PION: Final = ROOT / "bench" / "pion"
PION_ECHO: Final = ROOT / "build" / "pion-echo"
KEY: Final = "bench-key"
READY_WITHIN_S: Final = 30.0
CANDIDATE: Final = "203.0.113.1:3478"
"""What answers name as the relay (RFC 5737). No packet goes there: the load speaks SPP to the transceiver."""

PORTS: Final = ("native", "python")
MODELS: Final = ("loopback", "echo", "pcm")
WORKERS: Final = {
    "echo": "echo",
    "pcm": "bench.transceiver.pcm_worker:PcmEchoWorker",
    "parrot": "bench.transceiver.parrot_worker:ParrotWorker",
}
"""What serves a model; `parrot` is for WebSockets, where audio outside an answer has no place."""
OTHERS: Final = ("str0m", "pion", "aiortc")
CONTENDERS: Final = (*(f"{port}:{model}" for port in PORTS for model in MODELS), *OTHERS)


class Server(NamedTuple):
    """A server that listens.

    Attributes:
        process: what is measured.
        load: what the load client is told of it: `url`, `key`, `end`, `spp`.
        metrics: URL of its Prometheus metrics, if it has any.
        media_port: UDP port all its sessions share; None if each has its own.
    """

    process: Process
    load: dict[str, Any]
    metrics: str | None = None
    media_port: int | None = None


@contextmanager
def running(contender: str, folder: Path, *, server_core: int | None, load_core: int | None) -> Iterator[Server]:
    """A contender that is ready, on its core. A worker, where it has one, runs on the load's.

    Raises:
        CannotMeasure: this checkout or machine does not have it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if contender == "str0m":
        with _whip([str(RELEASE / "str0m-echo")], folder, server_core) as server:
            yield server
    elif contender == "pion":
        with _whip([str(pion_echo())], folder, server_core) as server:
            yield server
    elif contender == "aiortc":
        python = aiortc_python()
        script = Path(__file__).parent / "aiortc_echo.py"
        with _whip([str(python), str(script)], folder, server_core) as server:
            yield server
    else:
        port, _, model = contender.partition(":")
        with _transceiver(port, model, folder, server_core, load_core) as server:
            yield server


def require(contender: str) -> None:
    """Checks that a contender can be had, so that a run does not end in its middle.

    Raises:
        CannotMeasure: it cannot; the message says why.
    """
    if contender == "aiortc":
        aiortc_python()
    elif contender == "pion":
        pion_echo()
    elif ":" in contender:
        port = contender.partition(":")[0]
        if port != "python" and "media_port" not in TransceiverConfig.model_fields:
            raise CannotMeasure(f"{contender}: this transceiver has no media port '{port}'")


@contextmanager
def _whip(command: list[str], folder: Path, core: int | None) -> Iterator[Server]:
    line = command if core is None else pinned(core, command)
    with started(line, log=folder / "server.log") as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready:
            raise CannotMeasure(f"the echo server does not start: {(folder / 'server.log').read_text().strip()}")
        yield Server(Process(process.pid), {"url": json.loads(ready)["url"], "end": "delete"})


@contextmanager
def _transceiver(
    port: str, model: str, folder: Path, server_core: int | None, load_core: int | None
) -> Iterator[Server]:
    with ExitStack() as stack:
        worker = f"unix:{folder}/worker.sock"
        if model != "loopback":
            stack.enter_context(_worker(model, worker, folder, load_core))
        config = _config(port, model, worker, folder)
        (folder / "transceiver.yaml").write_text(json.dumps(config))
        ready = folder / "ready.json"
        command = [sys.executable, "-m", "offhook", "transceiver", "--config", str(folder / "transceiver.yaml")]
        command += ["--ready-file", str(ready)]
        line = command if server_core is None else pinned(server_core, command)
        process = stack.enter_context(started(line, log=folder / "server.log"))
        addresses = _wait_for(ready, process, folder / "server.log")
        url = f"{addresses['http']}/v1/realtime/calls?model={model}"
        media = addresses["media"]
        yield Server(
            Process(process.pid),
            {"url": url, "key": KEY, "end": "hangup", "spp": media},
            metrics=addresses["metrics"],
            media_port=int(media.rpartition(":")[2]),
        )


def _config(port: str, model: str, worker: str, folder: Path) -> dict[str, Any]:
    (folder / "keys.json").write_text(json.dumps(new_key_file()))
    (folder / "api_keys").write_text(f"{KEY}\n")
    config: dict[str, Any] = {
        "name": "bench",
        "cluster_id": 1,
        "transceiver_id": 1,
        "http_listen": "127.0.0.1:0",
        "peer_listen": "127.0.0.1:0",
        "media_listen": "127.0.0.1:0",
        "route_listen": f"unix:{folder}/route.sock",
        "admin_listen": "127.0.0.1:0",
        "candidates": [CANDIDATE],
        "relay_networks": ["127.0.0.0/8"],
        "keys_file": str(folder / "keys.json"),
        "api_keys_file": str(folder / "api_keys"),
        "max_sessions": 5000,
        "drain_s": 0,
        "log_format": "json",
    }
    if model != "loopback":
        config["workers"] = [worker]
    if "media_port" in TransceiverConfig.model_fields:
        config["media_port"] = port
    return config


@contextmanager
def _worker(model: str, listen: str, folder: Path, core: int | None) -> Iterator[None]:
    command = [sys.executable, "-m", "offhook_worker", WORKERS[model], "--listen", listen, "--max-sessions", "5000"]
    line = command if core is None else pinned(core, command)
    with started(line, log=folder / "worker.log", environment={"PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise CannotMeasure(f"the worker does not start: {(folder / 'worker.log').read_text().strip()}")
        yield


def _wait_for(ready: Path, process: "subprocess.Popen[str]", log: Path) -> dict[str, str]:
    until = time.monotonic() + READY_WITHIN_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > until:
            raise CannotMeasure(f"the transceiver does not start: {log.read_text().strip()[-2000:]}")
        time.sleep(0.02)
    addresses: dict[str, str] = json.loads(ready.read_text())
    return addresses


def aiortc_python() -> Path:
    """The Python of aiortc's own virtual environment, made when first needed and when its lock has changed.

    Raises:
        CannotMeasure: it cannot be made here.
    """
    python, stamp = AIORTC_HOME / "bin" / "python", AIORTC_HOME / "installed.txt"
    wanted = AIORTC_LOCK.read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(AIORTC_HOME)],
        [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(AIORTC_LOCK)],
    ):
        environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own lock file
        if done.returncode != 0:
            raise CannotMeasure(f"aiortc cannot be installed here: {done.stderr.strip()[-500:]}")
    stamp.write_text(wanted)
    return python


def aiortc_versions() -> dict[str, str]:
    """What the aiortc contender is made of, out of its lock file."""
    pins = (line.split()[0].partition("==") for line in AIORTC_LOCK.read_text().splitlines() if "==" in line)
    return {name: version for name, _, version in pins if name in ("aiortc", "aioice", "pylibsrtp")}


def pion_echo() -> Path:
    """The echo server on Pion, built when first needed; quick if it is built.

    Raises:
        CannotMeasure: there is no Go, or it does not build here.
    """
    command = [str(ROOT / "scripts" / "build-pion.sh"), str(PION), str(PION_ECHO.relative_to(ROOT)), ".venv/bin"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    if built.returncode != 0 or not PION_ECHO.exists():
        raise CannotMeasure(f"pion: {(built.stderr or built.stdout).strip()[-500:]}")
    return PION_ECHO


def pion_version() -> str:
    """Pion's, out of the lock file of the echo server."""
    found = re.search(r"pion/webrtc/v4 v(\S+)", (PION / "go.mod").read_text())
    assert found is not None, "bench/pion does without Pion"
    return found[1]
