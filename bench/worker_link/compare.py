"""Echo sessions over one link: batched, and one message per frame, in turn on the same two cores."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, NamedTuple

from bench.client import LoadFailed
from bench.machine import machine, require_cores
from bench.worker_link.batching import WAYS

TRANSCEIVER_CORE, WORKER_CORE = "0", "1"
SCHEMA = 1


class Wanted(NamedTuple):
    """What to measure.

    Attributes:
        sessions: numbers of echo sessions, each one frame every 20 ms.
        seconds: of the steady stretch.
        rounds: how often each point is measured; the summary takes medians.
    """

    sessions: tuple[int, ...] = (50, 200)
    seconds: float = 6.0
    rounds: int = 1


def compare(wanted: Wanted, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Measures every point.

    Raises:
        CannotMeasure: this machine has too few cores, or no taskset.
        LoadFailed: a process of a run ended before its time.
    """
    require_cores(2)
    points = []
    for _ in range(wanted.rounds):
        for sessions in wanted.sessions:
            for way in WAYS:
                points.append(_measure(way, sessions, wanted.seconds))
                progress(points[-1])
    return {
        "bench": "worker-link",
        "schema": SCHEMA,
        "machine": machine(),
        "versions": {name: version(name) for name in ("grpcio", "protobuf", "uvloop")},
        "settings": wanted._asdict(),
        "points": points,
        "summary": summary(points),
    }


def summary(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each number of sessions, what a frame costs in each way, and what batching saves."""
    rows = []
    for sessions in dict.fromkeys(point["sessions"] for point in points):
        row: dict[str, Any] = {"sessions": sessions}
        for way in WAYS:
            chosen = [point for point in points if (point["sessions"], point["way"]) == (sessions, way)]
            row[way] = {
                "cpu_us_per_frame": round(statistics.median(sum(p["cpu_us_per_frame"].values()) for p in chosen), 1),
                "round_trip_ms_p99": statistics.median(p["round_trip_ms"].get("p99", 0.0) for p in chosen),
                "worker_queue_delay_ms_p95": statistics.median(p["worker_queue_delay_ms_p95"] for p in chosen),
                "returned_share": statistics.median(p["returned_share"] for p in chosen),
            }
        batched, one_each = (row[way]["cpu_us_per_frame"] for way in WAYS)
        row["batching_saves_times"] = round(one_each / max(batched, 0.1), 1)
        rows.append(row)
    return rows


def _measure(way: str, sessions: int, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory, _worker(way, f"unix:{directory}/worker.sock", sessions) as worker:
        driver = subprocess.run(  # noqa: S603 - this checkout's own module
            [
                *("taskset", "-c", TRANSCEIVER_CORE, sys.executable, "-m", "bench.worker_link.drive"),
                *(way, worker.address, str(sessions), str(seconds), str(worker.pid)),
            ],
            capture_output=True,
            text=True,
            timeout=seconds * 10 + 60,
            check=False,
        )
    if driver.returncode != 0:
        raise LoadFailed(driver.stderr.strip().rpartition("\n")[2] or "the driver said nothing")
    result: dict[str, Any] = json.loads(driver.stdout.strip().rpartition("\n")[2])
    return result


class _Worker(NamedTuple):
    pid: int
    address: str


@contextmanager
def _worker(way: str, address: str, sessions: int) -> Iterator[_Worker]:
    command = ("taskset", "-c", WORKER_CORE, sys.executable, "-m", "bench.worker_link.echo")
    process = subprocess.Popen(  # noqa: S603 - this checkout's own module
        [*command, way, address, str(sessions)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        bound = process.stdout.readline().strip()
        if not bound:
            raise LoadFailed("the worker did not start")
        yield _Worker(process.pid, bound)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
