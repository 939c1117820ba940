"""Echo sessions over one link: batched, and one message per frame, in turn on the same two cores."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from bench.client import LoadFailed
from bench.machine import require_cores
from bench.report.model import Result
from bench.report.points import Bench, points_result
from bench.worker_link.batching import WAYS
from bench.worker_link.result import rows, savings

TRANSCEIVER_CORE, WORKER_CORE = "0", "1"
METHOD: Final = (
    "both ways in turn, each in fresh processes on a core each; CPU by the processes' clocks, of all frames that were "
    "due; open loop, a frame every 20 ms"
)


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


def compare(wanted: Wanted, progress: Callable[[dict[str, Any]], None]) -> Result:
    """Measures every point.

    Raises:
        CannotMeasure: this machine has too few cores, or no taskset.
        LoadFailed: a process of a run ended before its time.
    """
    require_cores(2)
    began = datetime.now(UTC)
    points = []
    for _ in range(wanted.rounds):
        for sessions in wanted.sessions:
            for way in WAYS:
                points.append(_measure(way, sessions, wanted.seconds))
                progress(points[-1])
    versions = {name: version(name) for name in ("grpcio", "protobuf", "uvloop")}
    bench = Bench("worker-link", began, wanted._asdict(), METHOD, versions, {"points": points})
    return points_result(bench, list(rows(points)), figures=list(savings(points)))


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
