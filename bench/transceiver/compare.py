"""Servers in turn under the same load, at one number of sessions after another: the comparison behind the command.

Server and load have a core each. To a transceiver the load speaks Simple Proxy Protocol as a relay does, so that its
CPU is measured alone; `relay_networks` admits it. A contender that lost more than a twentieth at some number of
sessions is not asked for more.
"""

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench import client
from bench.machine import machine, require_cores
from bench.transceiver.measure import Point, options, round_trips, warm_up
from bench.transceiver.servers import aiortc_versions, require, running

SCHEMA: Final = 1
SERVER_CORE, LOAD_CORE = 0, 1
OVERLOADED: Final = 0.05
METHOD: Final = (
    "contenders in turn, each a fresh process on one core, load on another; CPU by the process's clock over the steady "
    "stretch; open loop, times counted from when a packet was due; constant 160-byte payloads every 20 ms"
)


class Wanted(NamedTuple):
    """What to measure.

    Attributes:
        contenders: see `servers.CONTENDERS`.
        sessions: numbers of sessions, in rising order.
        seconds: length of the steady stretch.
        rounds: how often each point is measured; the summary takes medians.
        rate: calls per second at which sessions are opened.
        storm_calls: calls that arrive at `storm_rate` while `storm_sessions` play; 0 for no storm.
        storm_rate: their arrivals per second.
        storm_sessions: at which number of sessions.
        delay_ms: the delay each way behind which round trips of setup are counted; 0 to leave that out.
    """

    contenders: Sequence[str]
    sessions: Sequence[int]
    seconds: float = 6
    rounds: int = 1
    rate: float = 50
    storm_calls: int = 200
    storm_rate: float = 100
    storm_sessions: int = 200
    delay_ms: float = 50


def compare(wanted: Wanted, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Measures everything, and tells `progress` each point.

    Raises:
        CannotMeasure: this machine or checkout lacks something; the message says what.
        LoadFailed: the load client ended before its time.
    """
    require_cores(2)
    client.build()
    for contender in wanted.contenders:
        require(contender)
    points: list[dict[str, Any]] = []
    trips: dict[str, Any] = {}
    overloaded: set[str] = set()
    with tempfile.TemporaryDirectory() as directory:
        for round_number in range(wanted.rounds):
            for sessions in wanted.sessions:
                for contender in wanted.contenders:
                    if contender in overloaded:
                        continue
                    folder = Path(directory) / f"{round_number}-{sessions}-{contender.replace(':', '-')}"
                    point = _measure(contender, sessions, folder, wanted, trips)
                    points.append(point)
                    progress(point)
                    if (point["lost_share"] or 0) > OVERLOADED or point["sessions_up"] < sessions:
                        overloaded.add(contender)
    return {
        "bench": "transceiver",
        "schema": SCHEMA,
        "method": METHOD,
        "machine": machine(),
        "versions": versions(),
        "settings": wanted._asdict(),
        "summary": summary(points),
        "round_trips": trips,
        "points": points,
    }


def _measure(contender: str, sessions: int, folder: Path, wanted: Wanted, trips: dict[str, Any]) -> dict[str, Any]:
    with running(contender, folder, server_core=SERVER_CORE, load_core=LOAD_CORE) as server:
        warm_up(server, core=LOAD_CORE)
        if wanted.delay_ms and contender not in trips:
            trips[contender] = round_trips(server, delay_ms=wanted.delay_ms, core=LOAD_CORE)
        storm = {}
        if wanted.storm_calls and sessions == wanted.storm_sessions:
            storm = {"storm_calls": wanted.storm_calls, "storm_rate": wanted.storm_rate}
        load = options(server, calls=sessions, rate=wanted.rate, seconds=wanted.seconds, **storm)
        return {"contender": contender, **Point(server).run(load, core=LOAD_CORE)}


def summary(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per contender and number of sessions: medians over the valid rounds, or over all if none was valid."""
    keys = dict.fromkeys((point["contender"], point["sessions"]) for point in points)
    rows = []
    for contender, sessions in keys:
        same = [point for point in points if (point["contender"], point["sessions"]) == (contender, sessions)]
        valid = [point for point in same if point["invalid"] is None]
        rows.append({"contender": contender, "sessions": sessions, "valid": bool(valid), **_medians(valid or same)})
    return rows


def _medians(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def median(*path: str) -> float | None:
        values = [value for point in points if (value := _at(point, path)) is not None]
        return round(statistics.median(values), 6) if values else None

    return {
        "cpu_ms_per_session_second": median("cpu_ms_per_session_second"),
        "round_trip_p50_us": median("playing", "round_trip_us", "p50"),
        "round_trip_p99_us": median("playing", "round_trip_us", "p99"),
        "lost_share": median("lost_share"),
        "loop_lag_p99_ms_at_most": median("loop_lag_ms_at_most", "p99"),
        "setup_cpu_ms": median("setup", "cpu_ms_per_call"),
        "setup_p99_us": median("setup", "whole_us", "p99"),
        "pss_kb_per_session": median("memory_kb_per_session", "pss"),
        "storm_setup_p50_us": median("storm", "arriving", "whole_us", "p50"),
        "storm_setup_p99_us": median("storm", "arriving", "whole_us", "p99"),
        "storm_setup_cpu_ms": median("storm", "cpu_ms_per_call"),
        "storm_lost_share": median("storm", "playing", "lost_share"),
    }


def _at(point: Mapping[str, Any], path: Sequence[str]) -> Any:  # noqa: ANN401 - a leaf of JSON
    value: Any = point
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def versions() -> dict[str, Any]:
    """Of everything that was measured or measures."""
    ours = {name: version(name) for name in ("offhook", "uvloop", "pylibsrtp", "pyopenssl", "aiohttp")}
    return {"offhook": ours, "load client and str0m": client.versions(), "aiortc": aiortc_versions()}
