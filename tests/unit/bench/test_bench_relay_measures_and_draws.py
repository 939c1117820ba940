"""`offhook bench relay` from the outside: what it writes, and how it refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from bench.relay.cpu_split import CpuSplit, split_of_stacks
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
    [
        (("--relays", "steam"), "--relays knows"),
        (("--rates", "many"), "--rates are"),
        (("--rates", "0"), "at least 1"),
        (("--flows", "2000000"), "at most 1,000,000"),
    ],
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
        *("--relays", "baseline,python", "--rates", "2000", "--flows", "10,20", "--seconds", "1", "--rounds", "1"),
        *(*files, *where),
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(result_file.read_text())
    assert {"machine", "method", "settings", "summary", "points"} <= result.keys()
    assert [(point["relay"], point["flows"]) for point in result["points"]] == [
        *(("baseline", 10), ("python", 10)),
        *(("baseline", 20), ("python", 20)),
    ]
    for point in result["points"]:
        assert point["forwarded_per_s"] > 0
        assert point["cpu_us_per_packet"] > 0
        assert point["direct_us"]["p50"] + point["added_us"]["p50"] == point["one_way_us"]["p50"]
    assert result["points"][0]["batches"]["packets_per_batch"] >= 1
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


@pytest.mark.timeout(120)
def test_flows_of_clients_that_have_moved_expire_and_leave_no_memory(tmp_path: Path) -> None:
    require_root_and_tools()
    pytest.importorskip("offhook_datapath", reason="the native module is not built here")
    result_file = tmp_path / "result.json"
    ended = offhook(
        *("--packets", "60000", "--rate", "20000", "--calls", "20", "--moves", "50", "--idle-s", "0.5"),
        *("--json", str(result_file)),
        command="relay-soak",
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(result_file.read_text())
    assert result["packets"] > 0
    # 20 and then 50 a second for 3 s and the warm-up; 20 calls and what half a second makes are held at the end.
    assert result["five_tuples"] > 150
    assert result["checks_verified"] >= result["five_tuples"] * 0.9
    assert result["flows_at_end"] < 100
    assert result["steady_growth_kb"] < 4096


def test_more_clients_than_addresses_are_refused() -> None:
    ended = offhook("--moves", "1000", "--rate", "1000", command="relay-soak")
    assert ended.returncode == 2
    assert "client addresses" in ended.stderr


def test_a_picture_names_every_contender_and_rate() -> None:
    cpu_us = {"baseline": 4.0, "native <1>": 3.5}
    rows = [{"packets_per_s": 50_000, "flows": flows, "cpu_us_per_packet": cpu_us} for flows in (100, 10_000)]
    texts = [element.text for element in Xml.fromstring(svg(rows, "A & B")).iter() if element.text]
    lines = {f"{relay}, {flows} flows" for relay in cpu_us for flows in ("100", "10,000")}
    assert {"A & B", "50 k"} | lines <= set(texts)


def test_samples_are_told_apart_by_what_is_on_the_stack() -> None:
    softirq = (
        "ffffffff81000000 veth_xmit\nffffffff82000000 handle_softirqs\nffffffff83000000 do_softirq\n7f01 __sendmmsg\n"
    )
    system = "ffffffff84000000 udp_sendmsg\n7f01 __sendmmsg\n"
    user = "7f02 offhook::relay::find\n"
    assert split_of_stacks([user, "", softirq, system, softirq]) == CpuSplit(0.25, 0.25, 0.5, 4)


def test_nothing_measured_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="nothing"):
        svg([], "empty")
