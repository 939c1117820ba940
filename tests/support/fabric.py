"""A real fabric for tests: `offhook up` with free ports, every role as its own process."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0


@dataclass
class Fabric:
    """A running fabric.

    Attributes:
        supervisor: the `offhook up` process.
        ready_file: what it wrote; read again by every property, because it is rewritten when a process is restarted.
        log: everything it has printed.
    """

    supervisor: subprocess.Popen[bytes]
    ready_file: Path
    log: Path

    @property
    def ready(self) -> dict[str, Any]:
        """The ready file's present content."""
        content: dict[str, Any] = json.loads(self.ready_file.read_text())
        return content

    @property
    def http(self) -> str:
        """Base URL of the API."""
        return str(self.ready["http"])

    @property
    def api_key(self) -> str:
        """A bearer key."""
        return str(self.ready["api_key"])

    @property
    def headers(self) -> dict[str, str]:
        """Request headers that carry the key."""
        return {"Authorization": f"Bearer {self.api_key}"}

    def processes(self, role: str) -> list[dict[str, Any]]:
        """The live processes of a role, as the ready file lists them."""
        return [process for process in self.ready["processes"] if process["role"] == role]

    def kill(self, process: dict[str, Any]) -> None:
        """SIGKILL: no chance to say goodbye."""
        os.kill(process["pid"], signal.SIGKILL)


@contextlib.contextmanager
def running_fabric(*options: str) -> Iterator[Fabric]:
    """Starts `offhook up` with free ports and the given options; stops it, and all it started, at the end.

    The worker echoes unless the options name another: no test should depend on whether models are fetched.
    """
    with tempfile.TemporaryDirectory(prefix="offhook-test-") as directory:
        ready_file, log = Path(directory) / "ready.json", Path(directory) / "log"
        with log.open("wb") as output:
            supervisor = subprocess.Popen(
                [
                    *(sys.executable, "-m", "offhook", "up", "--http", "127.0.0.1:0", "--media", "127.0.0.1:0"),
                    *("--ready-file", str(ready_file), "--worker", "echo", *options),
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        try:
            _await_ready(supervisor, ready_file, log)
            yield Fabric(supervisor, ready_file, log)
        finally:
            _stop(supervisor)


def _await_ready(supervisor: subprocess.Popen[bytes], ready_file: Path, log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not ready_file.exists():
        if supervisor.poll() is not None:
            raise AssertionError(f"offhook up ended with code {supervisor.returncode}:\n{log.read_text()}")
        if time.monotonic() > deadline:
            raise AssertionError(f"offhook up was not ready within {START_WITHIN_S} s:\n{log.read_text()}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            supervisor.wait(0.05)


def _stop(supervisor: subprocess.Popen[bytes]) -> None:
    if supervisor.poll() is None:
        supervisor.send_signal(signal.SIGINT)
    try:
        supervisor.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
        raise AssertionError("offhook up did not stop on SIGINT") from None
