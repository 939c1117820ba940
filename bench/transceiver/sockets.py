"""What sessions on WebSockets cost one transceiver process: CPU and memory of idle ones and of speaking ones."""

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.client import Load
from bench.machine import require_cores
from bench.process import Cpu, Memory
from bench.report.model import Result
from bench.report.points import Bench, points_result
from bench.transceiver.compare import LOAD_CORE, SERVER_CORE, versions
from bench.transceiver.measure import LOAD_BUSY, LOAD_LATE_US, QUANTILES, per
from bench.transceiver.result import rows_of_sockets
from bench.transceiver.scrape import Scrape, lag_quantile_ms, scrape
from bench.transceiver.servers import Server, running

PROGRAM: Final = (sys.executable, "-m", "bench.transceiver.socket_load")
METHOD: Final = (
    "each kind on a transceiver of its own on one core, clients and worker on another; CPU by the process's clock; "
    "open loop, 100 ms of PCM in each event"
)
_WAITS: Final = frozenset({"ready", "settled"})


class Wanted(NamedTuple):
    """What to measure.

    Attributes:
        idle: sessions that say nothing.
        speaking: sessions that speak all the time and are answered as much.
        slow: sessions that come beside those who speak, and read less than they ask for.
        seconds: length of each steady stretch.
    """

    idle: int = 1000
    speaking: int = 200
    slow: int = 4
    seconds: float = 10


class _Sample(NamedTuple):
    cpu: Cpu
    memory: Memory
    metrics: Scrape


def sessions(wanted: Wanted, progress: Callable[[str], None]) -> Result:
    """Measures.

    Raises:
        CannotMeasure: this machine lacks something; the message says what.
        LoadFailed: the load ended before its time.
    """
    require_cores(2)
    began = datetime.now(UTC)
    found: dict[str, Any] = {}
    if wanted.idle:
        found["idle"] = _stretch("idle", wanted.idle, wanted, progress)
    if wanted.speaking:
        speaking = found["speaking"] = _stretch("speaking", wanted.speaking, wanted, progress)
        speaking["invalid"] = _why_invalid(speaking["load"])
    bench = Bench("realtime-sessions", began, wanted._asdict(), METHOD, versions(), found)
    return points_result(bench, list(rows_of_sockets(found)))


def _stretch(kind: str, count: int, wanted: Wanted, progress: Callable[[str], None]) -> dict[str, Any]:
    """One kind of sessions, on a server of its own: what others leave behind would count as its memory."""
    samples: dict[str, _Sample] = {}
    said: dict[str, dict[str, Any]] = {}
    with (
        tempfile.TemporaryDirectory() as directory,
        running("native:parrot", Path(directory), server_core=SERVER_CORE, load_core=LOAD_CORE) as server,
    ):
        url = server.load["url"].replace("http", "ws", 1).replace("/v1/realtime/calls", "/v1/realtime")
        options = {"url": url, "key": server.load["key"], "kind": kind, "sessions": count}
        options |= {"slow": wanted.slow, "seconds": wanted.seconds}
        with Load(options, core=LOAD_CORE, program=PROGRAM) as load:
            for name, event in load.events():
                samples[name] = _sample(server, ending=name.endswith("end"))
                # Connections are counted twice: the last ones count.
                said[name] = event
                progress(f"{kind}: {name.replace('_', ' ')}")
                if name in _WAITS:
                    load.go_on()
    figures = _figures(count, wanted.seconds, samples, said)
    if "slow_end" in said:
        figures["beside_slow_readers"] = said["slow_end"]
    return figures


def _sample(server: Server, *, ending: bool) -> _Sample:
    assert server.metrics is not None
    # Reading the metrics costs the server some milliseconds, which belong to no stretch that is measured.
    cpu = server.process.cpu() if ending else None
    metrics = scrape(server.metrics)
    return _Sample(cpu or server.process.cpu(), server.process.memory(), metrics)


def _figures(
    count: int, seconds: float, samples: dict[str, _Sample], said: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    begin, end = samples["begin"], samples["end"]
    settled, empty = samples["settled"].memory, samples["ready"].memory
    used = end.cpu.since(begin.cpu)
    seconds = said["end"].get("seconds", seconds)
    return {
        "sessions": count,
        "connect_ms": said["connected"]["connect_ms"],
        "memory_kb_per_session": {
            "pss": per(settled.pss_kb - empty.pss_kb, count),
            "rss": per(settled.rss_kb - empty.rss_kb, count),
        },
        "memory_kb_per_session_at_end": {
            "pss": per(end.memory.pss_kb - empty.pss_kb, count),
            "rss": per(end.memory.rss_kb - empty.rss_kb, count),
        },
        "cpu_ms_per_session_second": per(used.running * 1000, count * seconds, 3),
        "cpu_share_of_core": round(used.running / seconds, 3),
        "loop_lag_ms_at_most": {
            name: lag_quantile_ms(begin.metrics, end.metrics, share) for name, share in QUANTILES.items()
        },
        "load": said["end"],
    }


def _why_invalid(load: dict[str, Any]) -> str | None:
    """Why the figures say more of the load than of the server; None if they do not."""
    if load["load_cpu_share_of_core"] > LOAD_BUSY:
        return f"the load used {load['load_cpu_share_of_core']:.0%} of its core"
    late_ms = load["load_late_ms"].get("p99", 0)
    if late_ms > LOAD_LATE_US / 1000:
        return f"the load sent {late_ms:.0f} ms late at the 99th percentile"
    if load["errors"]:
        return f"{load['errors']} events were refused"
    return None
