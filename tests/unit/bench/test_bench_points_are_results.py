"""What the relay's and the transceiver's benchmarks find is a result like any other: rows, a verdict, a page."""

from datetime import UTC, datetime
from typing import Any

from bench.relay.result import rows_of_forwarding
from bench.report.headline import headline
from bench.report.html import html
from bench.report.model import Result, Row
from bench.report.points import Bench, points_result
from bench.transceiver.result import rows_of_calls


def of_rows(*rows: Row) -> Result:
    versions = {"offhook": {"uvloop": "1"}, "plain": "2"}
    return points_result(Bench("transceiver", datetime.now(UTC), {"rounds": 1}, versions=versions), rows)


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


def test_each_contender_is_a_row_with_its_figures() -> None:
    points = [transceiver_point("native:loopback", 0.6), transceiver_point("aiortc", 2.4)]
    result = of_rows(*rows_of_calls(points, {}))
    assert [row.name for row in result.rows] == ["native:loopback, 200 sessions", "aiortc, 200 sessions"]
    figures = {figure.name: (figure.value, figure.unit) for figure in result.rows[0].figures}
    assert figures["cpu_per_call"] == (0.6, "ms/call-second")
    assert figures["round_trip_p99"] == (4200, "us")
    # Beyond the last bucket: no figure.
    assert figures["loop_lag_p99"] == (None, "ms")
    assert result.run.versions == {"offhook: uvloop": "1", "plain": "2"}
    assert headline(result).word == "measured"
    assert "4.2 ms" in html(result)


def test_a_load_at_its_limit_makes_the_result_invalid() -> None:
    points = [
        transceiver_point("native:loopback", 0.6),
        transceiver_point("aiortc", 2.4, invalid="it used 99 % of its core"),
    ]
    result = of_rows(*rows_of_calls(points, {}))
    assert [row.invalid is not None for row in result.rows] == [False, True]
    assert headline(result).word == "not valid"


def test_each_relay_has_a_row_at_each_rate_with_its_rounds() -> None:
    points = [
        {
            "relay": relay,
            "offered_per_s": 50_000,
            "flows": 1000,
            "cpu_us_per_packet": cost,
            "added_us": {"p50": 40, "p99": 500},
            "lost_share": 0.0,
            "relay_rss_kb": 20_000,
        }
        for relay, cost in (("baseline", 3.5), ("native", 3.6), ("baseline", 3.5), ("native", 3.8))
    ]
    rows = list(rows_of_forwarding(points, {}))
    assert [row.name for row in rows] == ["baseline, 50,000/s, 1,000 flows", "native, 50,000/s, 1,000 flows"]
    cost, *_, to_baseline = rows[1].figures
    assert (cost.value, cost.rounds) == (3.7, (3.6, 3.8))
    assert to_baseline.name == "cpu_to_baseline"
    assert [round(value, 3) for value in to_baseline.rounds] == [1.029, 1.086]
