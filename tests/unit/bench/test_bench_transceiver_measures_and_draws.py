"""`offhook bench transceiver` from the outside, at small scale: what it writes, and how it refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from bench.transceiver.churn import growth
from bench.transceiver.compare import summary
from bench.transceiver.measure import why_invalid
from bench.transceiver.plot import svg
from bench.transceiver.scrape import Scrape, dropped_between, lag_quantile_ms


def offhook(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "offhook", "bench", command, *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def require_tools() -> None:
    """Skips where the load client cannot be built or pinned; in CI it must."""
    path = f"{os.environ.get('PATH', '')}:{Path.home() / '.cargo' / 'bin'}"
    missing = [tool for tool in ("cargo", "cc", "taskset") if shutil.which(tool, path=path) is None]
    if (os.cpu_count() or 1) < 2:
        missing.append("a second core")
    if not missing:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"needs {', '.join(missing)}")
    pytest.skip(f"needs {', '.join(missing)}")


@pytest.mark.parametrize(
    ("command", "arguments", "advice"),
    [
        ("transceiver", ("--contenders", "steam"), "--contenders knows"),
        ("transceiver", ("--sessions", "many"), "--sessions are"),
        ("transceiver", ("--sessions", "200,50"), "--sessions are"),
        ("transceiver-churn", ("--contender", "steam"), "--contender knows"),
    ],
)
def test_wrong_options_end_with_one_line_of_advice(command: str, arguments: tuple[str, ...], advice: str) -> None:
    ended = offhook(command, *arguments)
    assert ended.returncode == 2
    assert advice in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.timeout(500)
def test_a_short_run_measures_real_calls_on_both_kinds_of_server(tmp_path: Path) -> None:
    require_tools()
    result_file, plot_file = tmp_path / "result.json", tmp_path / "plot.svg"
    ended = offhook(
        "transceiver",
        *("--contenders", "python:loopback,python:echo,str0m", "--sessions", "4", "--seconds", "2", "--rate", "10"),
        *("--storm", "5", "--storm-at", "4", "--delay-ms", "20", "--json", str(result_file), "--plot", str(plot_file)),
    )
    # 1 says that this machine was too busy to believe the figures; that is no defect.
    assert ended.returncode in (0, 1), ended.stderr
    result = json.loads(result_file.read_text())
    assert {"machine", "method", "settings", "summary", "versions", "points", "round_trips"} <= result.keys()
    assert [point["contender"] for point in result["points"]] == ["python:loopback", "python:echo", "str0m"]
    for point in result["points"]:
        assert point["sessions_up"] == 4, point
        assert point["failures"] == {}
        assert point["playing"]["received"] == point["playing"]["sent"] == 4 * 2 * 50
        assert point["cpu_ms_per_session_second"] > 0
        assert point["playing"]["round_trip_us"]["count"] == 400
        assert point["setup"]["whole_us"]["count"] == 4
        assert point["storm"]["arriving"]["whole_us"]["count"] == 5
        # A round trip is the least that anything after the answer can take.
        trips = result["round_trips"][point["contender"]]
        assert 1 <= trips["stun"] <= trips["dtls"] <= trips["media"]
    assert result["points"][0]["loop_lag_ms_at_most"]["p99"] is not None
    Xml.parse(plot_file)


@pytest.mark.timeout(500)
def test_calls_that_come_and_go_are_counted_and_leave_no_session(tmp_path: Path) -> None:
    require_tools()
    result_file = tmp_path / "result.json"
    ended = offhook(
        *("transceiver-churn", "--contender", "python:loopback", "--calls", "120", "--rate", "40"),
        *("--json", str(result_file)),
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(result_file.read_text())
    assert [seen["calls"] for seen in result["checkpoints"]] == [100, 120]
    assert all((seen["sessions"], seen["failed"]) == (0, 0) for seen in result["checkpoints"])
    assert result["growth"]["open_files"] <= 0


def a_point(cpu: float, *, invalid: str | None = None, sessions: int = 50, contender: str = "a & b") -> dict[str, Any]:
    return {
        "contender": contender,
        "sessions": sessions,
        "cpu_ms_per_session_second": cpu,
        "playing": {"round_trip_us": {"count": 1, "p50": 1000, "p99": 2000}},
        "lost_share": 0.0,
        "setup": {"cpu_ms_per_call": 2.0, "whole_us": {"count": 0}},
        "memory_kb_per_session": {"pss": 100.0},
        "invalid": invalid,
    }


def test_a_summary_takes_medians_of_what_was_valid() -> None:
    points = [
        a_point(1.0),
        a_point(3.0),
        a_point(2.0),
        a_point(9.0, invalid="late"),
        a_point(5.0, invalid="late", sessions=200),
    ]
    small, large = summary(points)
    assert (small["cpu_ms_per_session_second"], small["valid"], small["storm_lost_share"]) == (2.0, True, None)
    assert (large["cpu_ms_per_session_second"], large["valid"]) == (5.0, False)


def test_a_run_that_the_load_limited_says_so() -> None:
    assert why_invalid({"cpu_share_of_core": 0.5, "late_us": {"count": 1, "p99": 900}}) is None
    assert why_invalid({"cpu_share_of_core": 0.5, "late_us": {"count": 0}}) is None
    assert "core" in (why_invalid({"cpu_share_of_core": 0.99, "late_us": {"count": 1, "p99": 900}}) or "")
    assert "late" in (why_invalid({"cpu_share_of_core": 0.5, "late_us": {"count": 1, "p99": 30_000}}) or "")


def test_loop_lag_and_drops_are_those_of_the_stretch() -> None:
    before = Scrape({}, {"a": 1.0, "b": 2.0}, {0.001: 10.0, 0.01: 10.0, float("inf"): 10.0})
    after = Scrape({}, {"a": 1.0, "b": 5.0}, {0.001: 60.0, 0.01: 109.0, float("inf"): 110.0})
    assert lag_quantile_ms(before, after, 0.5) == 1.0
    assert lag_quantile_ms(before, after, 0.99) == 10.0
    assert lag_quantile_ms(before, after, 0.999) == float("inf")
    assert lag_quantile_ms(after, after, 0.5) is None
    assert dropped_between(before, after) == {"b": 3}


def test_growth_is_a_share_of_memory_and_counts_of_the_rest() -> None:
    first = {"rss_kb": 100_000, "open_files": 30, "threads": 9, "tasks": 12}
    last = {"rss_kb": 102_000, "open_files": 31, "threads": 9, "tasks": 11}
    assert growth(first, last) == {"rss_share": 0.02, "open_files": 1, "threads": 0, "tasks": -1}


def test_a_picture_names_every_server_and_number() -> None:
    texts = [element.text for element in Xml.fromstring(svg(summary([a_point(1.5)]))).iter() if element.text]
    assert {"a & b", "50 sessions", "1.5"} <= set(texts)


def test_nothing_measured_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="nothing"):
        svg([])
