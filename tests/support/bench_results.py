"""Results of benchmarks as tests need them: made up, alike in every run, and rich enough for a whole report."""

import random
from datetime import UTC, datetime
from functools import cache
from typing import Any

from bench.report.histograms import distribution, recorded
from bench.report.model import (
    Calls,
    Failure,
    Fault,
    Generator,
    Machine,
    Packets,
    Process,
    Result,
    Row,
    Run,
    Target,
    Verdict,
)
from bench.report.quantities import Distribution, Figure, Phase, Series, Timeline, Unit
from bench.report.slo import judged, parse_bound

MACHINE = Machine(cpu="Example CPU at 3 GHz", cores=2, kernel="6.1", python="3.11", load_average=(1.0, 0.5, 0.25))
KILLED_AT_S = 22


def run(bench: str = "calls", **more: Any) -> Run:  # noqa: ANN401 - parts of a run
    """A run of a WHIP endpoint."""
    given: dict[str, Any] = {
        "target": Target(kind="whip", url="http://127.0.0.1:8080/whip"),
        "profile": "echo",
        "options": {"calls": 200, "rate": 50.0, "duration": 40.0},
        "method": "open loop; times count from when a packet or call was due",
        "versions": {"offhook": "0.1.0", "str0m": "0.14"},
        "duration_s": 50.0,
        "seed": 7,
        **more,
    }
    return Run(bench=bench, version="0.1.0", machine=MACHINE, started_at=datetime(2026, 11, 24, 9, tzinfo=UTC), **given)


@cache
def spread(name: str, median_ms: float, *, count: int = 2000, seed: int = 1, spread_by: float = 0.35) -> Distribution:
    """Log-normal times around a median."""
    chance = random.Random(f"{name}{seed}")
    values = (int(1000 * median_ms * chance.lognormvariate(0, spread_by)) for _ in range(count))
    return distribution(name, "ms", recorded(values), scale=0.001)


def calls_result(*, bounds: tuple[str, ...] = ("setup.p99<=1s", "lost_share<=1%"), **more: Any) -> Result:  # noqa: ANN401 - parts of a result
    """200 calls, one of two relays killed at 22 s of 50."""
    given: dict[str, Any] = {
        "run": run(),
        "verdict": Verdict(valid=True, limited_by=None),
        "calls": Calls(
            planned=200,
            begun=200,
            up=199,
            lost=0,
            most_at_once=199,
            failures=(Failure(cause="setup_timeout", count=1, first="not up 15 s after it was due"),),
        ),
        "packets": Packets(sent=398_000, received=396_912, lost=1088, reordered=12),
        "distributions": (
            spread("setup_answer", 9, count=199),
            spread("setup_ice", 14, count=199),
            spread("setup_dtls", 48, count=199),
            spread("setup_first_media", 71, count=199),
            spread("setup", 83, count=199),
            spread("round_trip", 4.2, count=5_000),
            spread("longest_silence", 38, count=199),
            _mos(),
        ),
        "timeline": timeline(),
        "faults": (
            Fault(
                name="kill-relay@22s",
                what="relay-1 (process 4711) was killed",
                at_s=22.04,
                calls_playing=199,
                calls_lost=0,
                silence=spread("longest_silence", 60, count=199, spread_by=0.6),
                calls_touched=58,
                seen_by_target=(Figure(name="orphans_adopted", unit="count", value=97.0),),
            ),
        ),
        "processes": (
            Process(
                name="transceiver-1",
                cpu_s=4.9,
                cpu_share_of_core=0.12,
                cpu_ms_per_call_second=0.61,
                rss_kb_begin=91_204,
                rss_kb_end=118_410,
            ),
            Process(name="relay-1", cpu_s=0.9, cpu_share_of_core=0.04, rss_kb_begin=50_000, ended=True),
        ),
        "generator": Generator(processes=1, cpu_share_of_core=0.41, late_p99_ms=0.38, unsent=0),
        **more,
    }
    result = Result(**given)
    slos = judged(result, [parse_bound(text) for text in bounds])
    return result.model_copy(update={"verdict": result.verdict.model_copy(update={"slos": slos})})


def rows_result() -> Result:
    """Two contenders at two numbers of sessions."""
    rows = [
        Row(
            name=f"{contender}, {sessions} sessions",
            labels={"contender": contender, "sessions": sessions},
            figures=(
                Figure(name="cpu", unit="ms/call-second", value=cost, rounds=(cost * 0.98, cost, cost * 1.03)),
                Figure(name="memory", unit="KiB", value=60.0 * cost),
            ),
            invalid="the load client used 99 % of its core" if cost > 1 else None,
        )
        for contender, sessions, cost in (
            ("native:loopback", 50, 0.62),
            ("native:loopback", 200, 0.48),
            ("aiortc", 50, 2.3),
            ("aiortc", 200, 0.97),
        )
    ]
    return Result(run=run("transceiver", target=Target(kind="local")), verdict=Verdict(valid=True), rows=tuple(rows))


@cache
def timeline() -> Timeline:
    """50 s: a ramp of 4, a warm-up of 4, 40 measured, and at 22 s a relay dies."""
    chance = random.Random(3)
    seconds = range(50)
    up = [min(199.0, 50.0 * (second + 1)) if second < 48 else 199.0 - 99 * (second - 47) for second in seconds]
    p50 = [None if not second else 4.1 + chance.random() for second in seconds]
    p99 = [None if value is None else value * 2.2 + 2 * chance.random() for value in p50]
    p99[KILLED_AT_S] = 61.0
    lost = [0.0] * 50
    lost[KILLED_AT_S], lost[KILLED_AT_S + 1] = 930.0, 158.0
    silent = [0.0] * 50
    silent[KILLED_AT_S] = 58.0
    shown: tuple[tuple[str, Unit, list[Any]], ...] = (
        ("active_calls", "calls", [max(0.0, value) for value in up]),
        ("round_trip_p50", "ms", p50),
        ("round_trip_p99", "ms", p99),
        ("packets_lost", "packets", lost),
        ("silent_calls", "calls", silent),
    )
    phases = (
        Phase(name="ramp", from_s=0, to_s=4),
        Phase(name="warm-up", from_s=4, to_s=8),
        Phase(name="measured", from_s=8, to_s=48, measured=True),
    )
    series = tuple(Series(name=name, unit=unit, values=tuple(values)) for name, unit, values in shown)
    return Timeline(phases=phases, series=series)


@cache
def _mos() -> Distribution:
    return distribution("mos", "mos", recorded([430] * 150 + [410] * 49), scale=0.01)
