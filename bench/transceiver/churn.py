"""What calls leave behind: memory, descriptors, threads and tasks of a transceiver after calls that came and went."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench import client
from bench.client import Load
from bench.machine import machine, require_cores
from bench.transceiver.compare import LOAD_CORE, SCHEMA, SERVER_CORE, versions
from bench.transceiver.scrape import scrape
from bench.transceiver.servers import Server, require, running


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


def churn(wanted: Wanted, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Opens and closes calls, and looks at the server at each checkpoint, when none is open.

    Raises:
        CannotMeasure: this machine or checkout lacks something; the message says what.
        LoadFailed: the load client ended before its time.
    """
    require_cores(2)
    client.build()
    require(wanted.contender)
    seen: list[dict[str, Any]] = []
    failures: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as directory,
        running(wanted.contender, Path(directory), server_core=SERVER_CORE, load_core=LOAD_CORE) as server,
    ):
        run = {"churn": {"checkpoints": list(wanted.checkpoints), "concurrent": wanted.concurrent}}
        with Load({**server.load, "rate": wanted.rate, "run": run}, core=LOAD_CORE) as load:
            for name, event in load.events():
                if name == "checkpoint":
                    seen.append({**event, **_look(server)})
                    progress(seen[-1])
                    load.go_on()
                elif name == "end":
                    failures = event["failures"]
    return {
        "bench": "transceiver-churn",
        "schema": SCHEMA,
        "machine": machine(),
        "versions": versions(),
        "settings": wanted._asdict(),
        "checkpoints": seen,
        "growth": growth(seen[0], seen[-1]),
        "growth_since_second_look": growth(seen[1], seen[-1]) if len(seen) > 1 else None,
        "failures": failures,
    }


def _look(server: Server) -> dict[str, Any]:
    process = server.process
    memory = process.memory()
    looked = {"rss_kb": memory.rss_kb, "open_files": process.open_files(), "threads": process.threads()}
    if server.metrics is not None:
        values = scrape(server.metrics).values
        looked["tasks"] = int(values["fabric_transceiver_loop_tasks"])
        looked["sessions"] = int(values["fabric_transceiver_sessions"])
    return looked


def growth(first: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    """What is more at the last checkpoint than at the first: memory as a share, the rest as counts."""
    counts = {name: last[name] - first[name] for name in ("open_files", "threads", "tasks") if name in first}
    return {"rss_share": round(last["rss_kb"] / first["rss_kb"] - 1, 4), **counts}
