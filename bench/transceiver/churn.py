"""What calls leave behind: memory, descriptors, threads and tasks of a transceiver after calls that came and went."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from bench import client
from bench.client import Load
from bench.machine import require_cores
from bench.process import tcp_connections
from bench.report.model import Result
from bench.report.points import Bench, figure, points_result
from bench.report.quantities import Figure
from bench.transceiver.compare import LOAD_CORE, SERVER_CORE, versions
from bench.transceiver.result import rows_of_churn
from bench.transceiver.scrape import scrape
from bench.transceiver.servers import Server, require, running

SIGNALLERS: Final = 4
"""Each keeps an HTTP connection open. Enough for the rate, and so few that all have one by the first look."""
METHOD: Final = "calls come, hear one packet, and go; the server is looked at when none is open"


class Wanted(NamedTuple):
    """What to measure.

    Attributes:
        contender: see `servers.CONTENDERS`.
        checkpoints: after how many calls the server is looked at, in rising order; growth counts from the first.
        rate: calls per second.
        concurrent: calls open at once at most.
    """

    contender: str = "python:loopback"
    checkpoints: tuple[int, ...] = (100, 1000, 2500, 5000, 7500, 10_000)
    rate: float = 100
    concurrent: int = 50


def churn(wanted: Wanted, progress: Callable[[dict[str, Any]], None]) -> Result:
    """Opens and closes calls, and looks at the server at each checkpoint, when none is open.

    Raises:
        CannotMeasure: this machine or checkout lacks something; the message says what.
        LoadFailed: the load client ended before its time.
    """
    require_cores(2)
    client.build()
    began = datetime.now(UTC)
    require(wanted.contender)
    seen: list[dict[str, Any]] = []
    failures: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as directory,
        running(wanted.contender, Path(directory), server_core=SERVER_CORE, load_core=LOAD_CORE) as server,
    ):
        run = {"churn": {"checkpoints": list(wanted.checkpoints), "concurrent": wanted.concurrent}}
        with Load({**server.load, "rate": wanted.rate, "signallers": SIGNALLERS, "run": run}, core=LOAD_CORE) as load:
            for name, event in load.events():
                if name == "checkpoint":
                    seen.append({**event, **_look(server)})
                    progress(seen[-1])
                    load.go_on()
                elif name == "end":
                    failures = event["failures"]
    bench = Bench(
        "transceiver-churn", began, wanted._asdict(), METHOD, versions(), {"looks": seen, "failures": failures}
    )
    return points_result(bench, list(rows_of_churn(seen)), figures=list(_growth_figures(seen)))


def _growth_figures(seen: list[dict[str, Any]]) -> Iterator[Figure]:
    """Since the first look, and since the second, by when a server has filled what it keeps on purpose."""
    for name, first in (("growth", seen[0]), ("growth_since_second_look", seen[min(1, len(seen) - 1)])):
        grown = growth(first, seen[-1])
        yield figure(f"memory_{name}", "share", [grown.pop("rss_share")])
        for kind, count in grown.items():
            yield figure(f"{kind}_{name}", "count", [count])


def _look(server: Server) -> dict[str, Any]:
    """A server now. HTTP connections that the load keeps open are of its making: their files and tasks do not count."""
    process = server.process
    memory = process.memory()
    connections = tcp_connections(urlsplit(server.load["url"]).port or 0)
    looked = {
        "rss_kb": memory.rss_kb,
        "http_connections": connections,
        "open_files": process.open_files() - connections,
        "threads": process.threads(),
    }
    if server.metrics is not None:
        values = scrape(server.metrics).values
        looked["tasks"] = int(values["fabric_transceiver_loop_tasks"]) - connections
        looked["sessions"] = int(values["fabric_transceiver_sessions"])
    return looked


def growth(first: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    """What is more at the last checkpoint than at the first: memory as a share, the rest as counts."""
    counts = {name: last[name] - first[name] for name in ("open_files", "threads", "tasks") if name in first}
    return {"rss_share": round(last["rss_kb"] / first["rss_kb"] - 1, 4), **counts}
