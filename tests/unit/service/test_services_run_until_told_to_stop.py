"""A service's process, its log and its ready file; each in a process of its own, because they own it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from offhook.service.lifecycle import write_ready_file
from offhook.service.logs import configure_logging

SERVICE = """
import asyncio, sys
from offhook.service.lifecycle import run_service

async def main(stop):
    print("up", type(asyncio.get_running_loop()).__module__, flush=True)
    await stop.wait()
    print("draining", flush=True)
    await asyncio.sleep(float(sys.argv[1]))

sys.exit(run_service(main))
"""

LOGS = """
import logging, sys, structlog
from offhook.service.logs import configure_logging

log = structlog.get_logger("early")
configure_logging("info", sys.argv[1], role="relay", name="relay-1")
log.debug("too quiet")
log.info("ours", answer=42, where=("127.0.0.1", 1))
logging.getLogger("grpc._channel").info("too chatty")
logging.getLogger("asyncio").error("theirs: %s", "says why")
secret = "do-not-print-locals"
try:
    1 / 0
except ZeroDivisionError:
    log.exception("went wrong")
"""


@contextmanager
def service(drain_s: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVICE, str(drain_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_it_drain_and_end_well(number: signal.Signals) -> None:
    with service(drain_s=0) as process:
        assert line(process) == "up uvloop"
        process.send_signal(number)
        assert line(process) == "draining"
        assert process.wait(timeout=30) == 0


def test_a_second_signal_ends_it_at_once() -> None:
    with service(drain_s=600) as process:
        line(process)
        process.send_signal(signal.SIGTERM)
        assert line(process) == "draining"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 128 + signal.SIGINT


def logged(form: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", LOGS, form], capture_output=True, text=True, check=True, timeout=30
    ).stderr


def test_our_lines_and_the_libraries_have_one_shape_in_json() -> None:
    ours, theirs, wrong = map(json.loads, logged("json").splitlines())
    assert (ours["event"], ours["level"], ours["answer"], ours["where"]) == ("ours", "info", 42, ["127.0.0.1", 1])
    assert (theirs["event"], theirs["level"]) == ("theirs: says why", "error")
    assert "ZeroDivisionError" in wrong["exception"]
    for entry in (ours, theirs, wrong):
        assert (entry["role"], entry["name"]) == ("relay", "relay-1")
        assert entry["timestamp"].endswith("Z")


def test_the_console_gets_one_line_each_and_never_a_local_variable() -> None:
    text = logged("console")
    assert "ours" in text.splitlines()[0]
    assert "answer=42" in text.splitlines()[0]
    assert "theirs: says why" in text.splitlines()[1]
    assert "ZeroDivisionError" in text
    assert "do-not-print-locals" not in text
    assert "too" not in text


def test_a_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        configure_logging("loud", "json")


def test_a_ready_file_appears_whole_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    write_ready_file(path, {"media": ["127.0.0.1:3478"]})
    assert json.loads(path.read_text()) == {"media": ["127.0.0.1:3478"]}
    assert path.stat().st_mode & 0o777 == 0o600
    write_ready_file(path, {})
    assert json.loads(path.read_text()) == {}
    assert [entry.name for entry in tmp_path.iterdir()] == ["ready.json"]


def test_without_a_path_nothing_is_written() -> None:
    write_ready_file(None, {"media": []})


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_ready_file(tmp_path / "nowhere" / "ready.json", {})
