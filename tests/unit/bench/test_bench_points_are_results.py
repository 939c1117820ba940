"""What the relay's and the transceiver's benchmarks find is a result like any other: rows, a verdict, a page."""

from datetime import UTC, datetime
from typing import Any

from bench.machine import machine
from bench.relay import compare as relays
from bench.report.headline import headline
from bench.report.html import html
from bench.report.points import points_result
from bench.transceiver import compare as transceivers

BEGAN = datetime(2026, 11, 24, tzinfo=UTC)


def transceiver_point(contender: str, cost: float, invalid: str | None = None) -> dict[str, Any]:
    """The parts of a point that its summary takes."""
    return {
        "contender": contender,
        "sessions": 200,
        "invalid": invalid,
        "cpu_ms_per_session_second": cost,
        "playing": {"round_trip_us": {"p50": 900, "p99": 4200}},
        "lost_share": 0.001,
        "loop_lag_ms_at_most": {"p99": float("inf")},
        "setup": {"cpu_ms_per_call": 3.1, "whole_us": {"p99": 12_000}},
        "memory_kb_per_session": {"pss": 61.0},
    }


def of_transceivers(*points: dict[str, Any]) -> dict[str, Any]:
    return {
        "bench": "transceiver",
        "method": transceivers.METHOD,
        "machine": machine(),
        "versions": {"offhook": {"uvloop": "1"}, "plain": "2"},
        "settings": transceivers.Wanted(["native:loopback"], [200])._asdict(),
        "summary": transceivers.summary(points),
    }


def test_each_contender_is_a_row_with_its_figures() -> None:
    found = of_transceivers(transceiver_point("native:loopback", 0.6), transceiver_point("aiortc", 2.4))
    result = points_result(found, BEGAN)
    assert [row.name for row in result.rows] == ["native:loopback, 200 sessions", "aiortc, 200 sessions"]
    figures = {figure.name: (figure.value, figure.unit) for figure in result.rows[0].figures}
    assert figures["cpu_per_call"] == (0.6, "ms/call-second")
    assert figures["round_trip_p99"] == (4200, "us")
    assert result.run.versions == {"offhook: uvloop": "1", "plain": "2"}
    assert headline(result).word == "measured"
    assert "4.2 ms" in html(result)


def test_a_load_at_its_limit_makes_the_result_invalid() -> None:
    found = of_transceivers(
        transceiver_point("native:loopback", 0.6), transceiver_point("aiortc", 2.4, invalid="it used 99 % of its core")
    )
    result = points_result(found, BEGAN)
    assert [row.invalid is not None for row in result.rows] == [False, True]
    assert headline(result).word == "not valid"


def test_each_relay_has_a_row_at_each_rate() -> None:
    wanted = relays.Wanted(relays=("baseline", "native"), rates=(50_000,), flows=(1000,), rounds=1)
    points = [
        {
            "relay": relay,
            "offered_per_s": 50_000,
            "flows": 1000,
            "cpu_us_per_packet": cost,
            "added_us": {"p50": 40, "p99": 500},
        }
        for relay, cost in (("baseline", 3.5), ("native", 3.7))
    ]
    found = {
        "bench": "relay",
        "method": {"cpu": "schedstat", "cpu_split": None},
        "machine": machine(),
        "settings": wanted._asdict(),
        "summary": relays.summary(points, {}, wanted),
    }
    result = points_result(found, BEGAN)
    assert [row.name for row in result.rows] == ["baseline, 50,000/s, 1,000 flows", "native, 50,000/s, 1,000 flows"]
    assert result.rows[1].figures[0].value == 3.7
    assert result.run.method == "schedstat"
