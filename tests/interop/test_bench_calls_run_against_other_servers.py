"""`offhook bench calls`, unchanged, against WHIP echo servers that are not ours: one on aiortc, one on Pion."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.report.model import Result
from tests.support.bench_command import bench, missing_callers

ROOT = Path(__file__).parents[2]
SERVERS = {
    "aiortc": [sys.executable, str(ROOT / "bench" / "transceiver" / "aiortc_echo.py")],
    "Pion": [str(ROOT / "build" / "pion-echo")],
}
CALLS, SECONDS = 4, 2

pytestmark = pytest.mark.timeout(180)


def missing_part(server: str) -> str | None:
    """What keeps a server from being called here; None when nothing does."""
    if not Path(SERVERS[server][0]).exists():
        return f"no echo server on {server} here: run make setup-test"
    return missing_callers()


@pytest.mark.parametrize("server", SERVERS)
def test_calls_are_placed_and_heard(
    server: str, tmp_path: Path, require: Callable[[str | None], None], show: Callable[[str], None]
) -> None:
    require(missing_part(server))
    written = tmp_path / "result.json"
    with subprocess.Popen(SERVERS[server], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = json.loads(process.stdout.readline())["url"]
            load = ("--calls", str(CALLS), "--rate", "10", "--duration", str(SECONDS), "--warm-up", "1")
            done = bench("calls", "--target", url, *load, "--accept-invalid", "--json", str(written))
        finally:
            process.kill()
    assert done.returncode == 0, done.stderr
    result = Result.model_validate_json(written.read_text())
    assert result.run.target.kind == "whip"
    assert result.calls is not None
    assert (result.calls.up, result.calls.failed) == (CALLS, 0)
    assert result.packets is not None
    assert result.packets.received > 0.9 * result.packets.sent
    trip, setup = result.distribution("round_trip"), result.distribution("setup")
    assert trip is not None
    assert setup is not None
    show(f"{server}: {CALLS} calls, setup p50 {setup.p50:.0f} ms, round trip p50 {trip.p50:.1f} ms")
