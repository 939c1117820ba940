"""Servers in turn under the same load, at one number of sessions after another: the comparison behind the command.

Server and load have a core each. To a transceiver the load speaks Simple Proxy Protocol as a relay does, so that its
CPU is measured alone; `relay_networks` admits it. A contender that lost more than a twentieth at some number of
sessions is not asked for more.
"""

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench import client
from bench.machine import require_cores
from bench.report.model import Result
from bench.report.points import Bench, points_result
from bench.transceiver.measure import Point, options, round_trips, warm_up
from bench.transceiver.result import rows_of_calls
from bench.transceiver.servers import aiortc_versions, pion_version, require, running

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


def compare(wanted: Wanted, progress: Callable[[dict[str, Any]], None]) -> Result:
    """Measures everything, and tells `progress` each point.

    Raises:
        CannotMeasure: this machine or checkout lacks something; the message says what.
        LoadFailed: the load client ended before its time.
    """
    require_cores(2)
    client.build()
    began = datetime.now(UTC)
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
    details = {"points": points, "round_trips": trips}
    bench = Bench("transceiver", began, wanted._asdict(), METHOD, versions(), details)
    return points_result(bench, list(rows_of_calls(points, trips)))


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


def versions() -> dict[str, Any]:
    """Of everything that was measured or measures."""
    ours = {name: version(name) for name in ("offhook", "uvloop", "pylibsrtp", "pyopenssl", "aiohttp")}
    load = client.versions()
    return {"offhook": ours, "load client and str0m": load, "pion": pion_version(), "aiortc": aiortc_versions()}
