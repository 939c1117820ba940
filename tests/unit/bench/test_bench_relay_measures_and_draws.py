"""`offhook bench relay` from the outside: what it writes, and how it refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from bench.relay.plot import svg


def offhook(*arguments: str, command: str = "relay") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "offhook", "bench", command, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [(("--relays", "steam"), "--relays knows"), (("--rates", "many"), "--rates are"), (("--rates", "0"), "at least 1")],
)
def test_wrong_options_end_with_one_line_of_advice(arguments: tuple[str, ...], advice: str) -> None:
    ended = offhook(*arguments)
    assert ended.returncode == 2
    assert advice in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def require_root_and_tools() -> None:
    """Skips where a benchmark cannot run; in CI it must."""
    missing = [tool for tool in ("cc", "ip", "taskset") if shutil.which(tool) is None]
    if not missing and os.geteuid() == 0:
        return
    reason = f"needs root and {missing or 'nothing else'}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("where", [(), ("--loopback",)])
def test_a_short_run_measures_both_contenders(where: tuple[str, ...], tmp_path: Path) -> None:
    require_root_and_tools()
    result_file, plot_file = tmp_path / "result.json", tmp_path / "plot.svg"
    files = ("--json", str(result_file), "--plot", str(plot_file))
    ended = offhook(
        *("--relays", "baseline,python", "--rates", "2000", "--flows", "10", "--seconds", "1", "--rounds", "1"),
        *(*files, *where),
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(result_file.read_text())
    assert {"machine", "method", "settings", "summary", "points"} <= result.keys()
    assert [point["relay"] for point in result["points"]] == ["baseline", "python"]
    assert all(point["forwarded_per_s"] > 0 and point["cpu_us_per_packet"] > 0 for point in result["points"])
    Xml.parse(plot_file)


@pytest.mark.timeout(120)
def test_flow_sync_saves_the_calls_of_a_relay_that_dies(tmp_path: Path) -> None:
    require_root_and_tools()
    pytest.importorskip("offhook_datapath", reason="the native module is not built here")
    result_file = tmp_path / "result.json"
    ended = offhook("--calls", "50", "--json", str(result_file), command="relay-death")
    assert ended.returncode == 0, ended.stderr
    synced, unsynced = json.loads(result_file.read_text())["results"]
    assert (synced["flow_sync"], unsynced["flow_sync"]) == (True, False)
    # Without it, clients of the dead relay are deaf until their next check: some hundred packets each.
    assert synced["packets_lost"] * 5 < unsynced["packets_lost"]


def test_a_picture_names_every_contender_and_rate() -> None:
    row = {"packets_per_s": 50_000, "cpu_us_per_packet": {"baseline": 4.0, "native <1>": 3.5}}
    texts = [element.text for element in Xml.fromstring(svg([row], "A & B")).iter() if element.text]
    assert {"A & B", "baseline", "native <1>", "50 k"} <= set(texts)


def test_nothing_measured_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="nothing"):
        svg([], "empty")
