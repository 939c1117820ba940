"""`offhook bench transceiver` from the outside, at small scale: what it writes, and how it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from bench.report.model import Result
from bench.transceiver.churn import growth
from bench.transceiver.measure import why_invalid
from bench.transceiver.result import rows_of_calls
from bench.transceiver.scrape import Scrape, dropped_between, lag_quantile_ms
from bench.transceiver.servers import PION_ECHO
from tests.support.bench_command import bench, missing_callers, missing_tools, refused


@pytest.fixture(scope="module")
def measurable(require: Callable[[str | None], None]) -> None:
    """The load client is there, and can be pinned."""
    require(missing_tools("cc", "taskset", cores=2) or missing_callers())


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
    assert advice in refused(command, *arguments)


@pytest.mark.timeout(500)
def test_a_short_run_measures_real_calls_on_every_kind_of_server(
    measurable: None, require: Callable[[str | None], None], tmp_path: Path
) -> None:
    require(None if PION_ECHO.exists() else "no echo server on Pion here: run make setup-test where Go is")
    written, page, cases = tmp_path / "result.json", tmp_path / "report.html", tmp_path / "cases.xml"
    servers = ["python:echo", "str0m", "pion"]
    ended = bench(
        "transceiver",
        *("--contenders", ",".join(servers), "--sessions", "4", "--seconds", "1", "--rate", "10"),
        *("--storm", "5", "--storm-at", "4", "--delay-ms", "20"),
        *("--json", str(written), "--html", str(page), "--junit", str(cases)),
    )
    # 1 says that this machine was too busy to believe the figures; that is no defect.
    assert ended.returncode in (0, 1), ended.stderr
    result = Result.model_validate_json(written.read_text())
    assert [row.name for row in result.rows] == [
        *(f"{server}, 4 sessions" for server in servers),
        *(f"{server}, storm over 4" for server in servers),
        *(f"{server}, 40 ms there and back" for server in servers),
    ]
    assert {"load client and str0m: str0m", "offhook: uvloop"} <= result.run.versions.keys()
    for point in result.details["points"]:
        assert point["sessions_up"] == 4, point
        assert point["failures"] == {}
        assert point["playing"]["received"] == point["playing"]["sent"] == 4 * 50
        assert point["cpu_ms_per_session_second"] > 0
        assert point["playing"]["round_trip_us"]["count"] == 200
        assert point["setup"]["whole_us"]["count"] == 4
        assert point["storm"]["arriving"]["whole_us"]["count"] == 5
    for row in result.rows[-len(servers) :]:
        # A round trip is the least that anything after the answer can take.
        to_ice, to_dtls, to_media = (figure.value or 0 for figure in row.figures)
        assert 1 <= to_ice <= to_dtls <= to_media
    assert result.details["points"][0]["loop_lag_ms_at_most"]["p99"] is not None
    for row in result.rows:
        assert row.name in page.read_text()
    assert Xml.parse(cases).getroot().get("tests") == "1"


@pytest.mark.timeout(500)
def test_calls_that_come_and_go_are_counted_and_leave_no_session(measurable: None, tmp_path: Path) -> None:
    written = tmp_path / "result.json"
    ended = bench(
        *("transceiver-churn", "--contender", "python:loopback", "--calls", "120", "--rate", "40"),
        *("--json", str(written)),
    )
    assert ended.returncode == 0, ended.stderr
    result = Result.model_validate_json(written.read_text())
    assert [row.name for row in result.rows] == ["after 100 calls", "after 120 calls"]
    assert all((look["sessions"], look["failed"]) == (0, 0) for look in result.details["looks"])
    grown = result.figure("open_files_growth")
    assert grown is not None
    assert (grown.value or 0) <= 0


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


def test_a_row_is_of_the_rounds_that_were_valid() -> None:
    points = [
        a_point(1.0),
        a_point(3.0),
        a_point(2.0),
        a_point(9.0, invalid="late"),
        a_point(5.0, invalid="late", sessions=200),
    ]
    small, large = rows_of_calls(points, {})
    assert (small.figures[0].value, small.figures[0].rounds, small.invalid) == (2.0, (1.0, 3.0, 2.0), None)
    assert (large.figures[0].value, large.figures[0].rounds, large.invalid) == (5.0, (), "late")


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
