"""Runs a client, which is a program of its own in its own language, and holds its report against what it should be.

A client gets its orders (where the fabric is, which recordings to say) as its last argument in JSON, holds one
conversation and writes one JSON document: what it was answered, by event and by ear, and what its SDK did not know.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.fabric import Fabric
from tests.support.openai_events import check_server_event
from tests.support.tls_front import TlsFront

HERE = Path(__file__).parent
CLIENTS = HERE / "clients"
SDK_PYTHON = HERE.parents[1] / "build" / "sdk" / "bin" / "python"
WITHIN_S = 120.0
SAMPLE_RATE = 24_000
QUESTIONS = {
    "times": "What is twelve times seven?",
    "weather": "What is the weather in Paris?",
    "story": "Tell me a story.",
    "again": "What is thirteen times six?",
}


@dataclass(frozen=True)
class Stage:
    """What clients talk with. `recordings` are 24 kHz PCM, by name."""

    fabric: Fabric
    front: TlsFront
    recordings: Mapping[str, Path]

    @property
    def websocket(self) -> str:
        """Base URL of WebSockets, without TLS."""
        return self.fabric.http.replace("http", "ws", 1)

    async def perform(self, command: Sequence[str | Path], url: str, **orders: object) -> dict[str, Any]:
        """Runs a client to its end; its report.

        Args:
            command: the program and its arguments but the last.
            url: where the client's SDK is pointed.
        """
        full = self.orders(url, **orders)
        return await run_client(command, full, NODE_EXTRA_CA_CERTS=str(self.front.certificate))

    def orders(self, url: str, **more: object) -> dict[str, object]:
        """What a client is told."""
        speech = {name: str(path) for name, path in self.recordings.items()}
        return {"url": url, "key": self.fabric.api_key, "model": "agent", "speech": speech, **more}


def run_beside(command: Sequence[str | Path], orders: Mapping[str, object]) -> "Future[dict[str, Any]]":
    """The same as `run_client` on a thread, for a client that takes its time while other tests take theirs."""

    def run() -> dict[str, Any]:
        full = [*command, json.dumps(orders)]
        ended = subprocess.run(full, capture_output=True, text=True, timeout=WITHIN_S, check=False)
        return _report(ended.returncode, ended.stdout, ended.stderr)

    threads = ThreadPoolExecutor(1)
    try:
        return threads.submit(run)
    finally:
        threads.shutdown(wait=False)


async def run_client(command: Sequence[str | Path], orders: Mapping[str, object], **environment: str) -> dict[str, Any]:
    """Runs a client with its orders as last argument; the document that it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command, json.dumps(orders), stdout=PIPE, stderr=PIPE, env=os.environ | environment
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            output, words = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _report(process.returncode, output.decode(), words.decode())


def _report(returncode: int | None, output: str, words: str) -> dict[str, Any]:
    assert returncode == 0, words[-4000:]
    report: dict[str, Any] = json.loads(output)
    return report


def missing_node_part() -> str | None:
    """What keeps the JavaScript clients from running here; None when nothing does."""
    if shutil.which("node") is None:
        return "no node here"
    if not (HERE / "node_modules" / "openai").is_dir():
        return "tests/sdk has no node_modules: run make setup-test"
    return None


def chromium() -> str | None:
    """The stock browser."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def missing_browser() -> str | None:
    """What keeps the browser from running here; None when nothing does."""
    return None if chromium() is not None else "no chromium here"


def missing_python_part() -> str | None:
    """What keeps the Python clients from running here; None when nothing does."""
    return None if SDK_PYTHON.exists() else "no build/sdk here: run make setup-sdk"


def check_conversation(report: Mapping[str, Any]) -> str:
    """Holds a report against what was asked, by words and by ear; what was understood, to be shown."""
    from tests.support.agent_scene import heard  # noqa: PLC0415 - needs the models

    def by_ear(audio: str) -> str:
        return heard(base64.b64decode(audio), report.get("rate", SAMPLE_RATE)).lower().replace("-", " ")

    assert not report["errors"], report["errors"]
    assert not report["unknown"], report["unknown"]
    for event in report.get("raw", ()):
        check_server_event(event)
    assert "9" in report["written"]
    assert "84" in report["spoken"]["words"]
    first = by_ear(report["spoken"]["audio"])
    assert "84" in first or "eighty four" in first, first
    assert "seven" in report["understood"].lower() or "7" in report["understood"]
    assert report["tool"]["name"] == "get_weather"
    assert "paris" in json.loads(report["tool"]["arguments"])["city"].lower()
    assert "21" in report["tool"]["words"]
    interruption = report["interruption"]
    assert 1000 <= interruption["heard_ms"] <= 6000, interruption["heard_ms"]
    assert "78" in interruption["words"], interruption["words"]
    last = by_ear(interruption["audio"])
    assert "78" in last or "seventy eight" in last, last
    return f"heard {first!r} and {last!r}, interrupted after {interruption['heard_ms']} ms"
