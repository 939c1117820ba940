"""CPU of a relay per packet and direction: the native engine beside the C baseline, alternating in one run.

The relay runs on one core, clients and transceiver on another, across a veth pair of network namespaces made for the
run. CPU is the running time of the relay's one thread (`/proc/<pid>/task/<tid>/schedstat`), which on kernels without
IRQ time accounting includes the softirq work that its sends cause; `cpu_split` says how the parts are told apart. Rates
count both directions together. Latency is one way, from before a client's send call to the kernel's time stamp at the
transceiver; what it *adds* is that less the same of datagrams that meet no relay, sent at the same times, percentile by
percentile.

Needs root, `ip`, `taskset`, `chrt`, a C compiler and two cores. Every load ends by itself. `offhook bench relay` runs
it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.machine import CannotMeasure
from bench.relay import cpu_split
from bench.relay.cpu_split import CpuSplit
from bench.relay.network import CLIENT_NET, FAR_HOST, RELAY_HOST, Network, inside, network
from bench.relay.result import Key, rows_of_forwarding
from bench.report.model import Result
from bench.report.points import Bench, points_result

HERE: Final = Path(__file__).parent
RELAY_CORE, LOAD_CORE = 0, 1
PUBLIC_PORT, UPSTREAM_PORT, TRANSCEIVER_PORT, CLIENT_PORT = "3478", "3479", "5000", "40000"
FIRST_CLIENT: Final = CLIENT_NET.removesuffix(".0") + ".1"
CORES = 2
METHOD: Final = "contenders in turn, one relay thread on one core, load on another; CPU by that thread's schedstat"
AHEAD_OF_OTHERS: Final = ("chrt", "--fifo", "1")
"""So that what else runs on the two cores delays no packet, and the latency is the relay's own."""


class Wanted(NamedTuple):
    """What to measure.

    Attributes:
        relays: contenders: "baseline" (C), "native", "python".
        rates: packets per second, both directions together.
        flows: numbers of clients, each with an address of its own.
        bytes: UDP payload of a client's datagram.
        dscp: how all of it is marked, in both directions.
        wait_us: how long the relay lets packets gather above 20,000 per second; 0 for never.
        seconds: length of each point, at most 10.
        rounds: how often each point is measured; the summary takes the median.
        loopback: one host over `lo` instead of two over a veth pair.
        split: one more round in which the relay's thread is sampled, to tell user, system and softirq apart.
    """

    relays: Sequence[str] = ("baseline", "native")
    rates: Sequence[int] = (50_000, 100_000, 200_000)
    flows: Sequence[int] = (1000,)
    bytes: int = 172
    dscp: int = 0
    wait_us: int = 500
    seconds: int = 5
    rounds: int = 2
    loopback: bool = False
    split: bool = False


class Point(NamedTuple):
    """One thing to measure: `rate` packets per second, both directions together."""

    relay: str
    rate: int
    flows: int


class Cpu(NamedTuple):
    """What a thread has used so far.

    Attributes:
        running: seconds.
        preempted: how often the kernel has run something else although it had more to do.
    """

    running: float
    preempted: int


class Contender(NamedTuple):
    """A relay that is ready."""

    process: subprocess.Popen[str]

    @property
    def process_id(self) -> int:
        """`ip` and `taskset` keep it."""
        return self.process.pid

    def end(self) -> list[dict[str, Any]]:
        """Ends it; returns what it says then."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        return [json.loads(line) for line in self.process.stdout]

    def batches(self) -> dict[str, Any] | None:
        """Ends it; returns what it says about its batches."""
        totals = self.end()[0]
        if not totals:
            return None
        return {
            "gathered_share": round(totals["gathered"] / max(totals["batches"], 1), 3),
            "packets_per_batch": round(totals["packets"] / max(totals["batches"], 1), 1),
            "packets_per_train": round(totals["train_packets"] / max(totals["trains"], 1), 1),
        }


def compiled(folder: Path) -> tuple[str, str]:
    """Paths of the baseline and the load generator, built for this run."""
    for name in ("baseline", "load"):
        source = HERE / f"{name}.c"
        subprocess.run(["cc", "-O2", "-Wall", "-o", str(folder / name), str(source)], check=True)  # noqa: S603, S607 - our own source
    return str(folder / "baseline"), str(folder / "load")


def relay_command(relay: str, baseline: str, flows: int, wait_us: int) -> list[str]:
    """The command line of one contender."""
    if relay == "baseline":
        ends = [RELAY_HOST, PUBLIC_PORT, RELAY_HOST, UPSTREAM_PORT, FAR_HOST, TRANSCEIVER_PORT]
        return [baseline, *ends, str(wait_us)]
    return [
        *(sys.executable, "-m", "bench.relay.engine_process", "--engine", relay),
        *("--public", f"{RELAY_HOST}:{PUBLIC_PORT}", "--upstream", f"{RELAY_HOST}:{UPSTREAM_PORT}"),
        *("--transceiver", f"{FAR_HOST}:{TRANSCEIVER_PORT}", "--first-client", f"{FIRST_CLIENT}:{CLIENT_PORT}"),
        *("--flows", str(flows), "--gather-us", str(wait_us)),
    ]


@contextmanager
def running_relay(command: list[str], namespace: str) -> Iterator[Contender]:
    """A contender that is ready."""
    line = inside(namespace, RELAY_CORE, *AHEAD_OF_OTHERS, *command)
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - built above
        try:
            assert process.stdout is not None
            json.loads(process.stdout.readline())
            yield Contender(process)
        finally:
            process.terminate()


def relay_thread(process_id: int) -> Path:
    """The directory in /proc of the thread that forwards."""
    tasks = list(Path(f"/proc/{process_id}/task").iterdir())
    named = [task for task in tasks if (task / "comm").read_text().startswith("relay-")]
    return (named or tasks)[0]


def cpu(thread: Path) -> Cpu:
    """What the thread has used."""
    switches = next(line for line in (thread / "status").read_text().splitlines() if line.startswith("nonvoluntary"))
    return Cpu(int((thread / "schedstat").read_text().split()[0]) / 1e9, int(switches.split()[1]))


def rss_kb(process_id: int) -> int:
    """Memory of a process that is resident, in KiB, its libraries and Python included."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def events(load: list[str]) -> Iterator[dict[str, Any]]:
    """What the load generator says, as it says it."""
    with subprocess.Popen(load, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - built above
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)


def measure(
    point: Point, made: Network, tools: tuple[str, str], wanted: Wanted, samples: Path | None
) -> dict[str, Any]:
    """One point. With `samples` the thread is sampled into that file, which costs time that is then counted, too."""
    baseline, load = tools
    to_relay = [RELAY_HOST, PUBLIC_PORT, FAR_HOST, TRANSCEIVER_PORT, CLIENT_NET, CLIENT_PORT]
    numbers = [point.flows, wanted.bytes, point.rate / 2, wanted.seconds, wanted.dscp]
    line = inside(made.far, LOAD_CORE, *AHEAD_OF_OTHERS, load, *to_relay, *map(str, numbers))
    with running_relay(relay_command(point.relay, baseline, point.flows, wanted.wait_us), made.relay) as contender:
        thread = relay_thread(contender.process_id)
        with nullcontext() if samples is None else cpu_split.sampled(int(thread.name), samples):
            said = {event["event"]: (event, cpu(thread)) for event in events(line)}
        resident = rss_kb(contender.process_id)
        batches = contender.batches()
    (start, before), (stop, after), (end, _) = said["start"], said["stop"], said["end"]
    packets = sum(stop[count] - start[count] for count in ("upstream", "received"))
    running = after.running - before.running
    seconds = (stop["at_ns"] - start["at_ns"]) / 1e9
    return {
        "relay": point.relay,
        "flows": point.flows,
        "offered_per_s": point.rate,
        "forwarded_per_s": round(packets / seconds),
        "cpu_us_per_packet": round(running / packets * 1e6, 3),
        "cpu_share_of_core": round(running / seconds, 3),
        "relay_rss_kb": resident,
        "preempted": after.preempted - before.preempted,
        "batches": batches,
        "lost_share": round(1 - end["received"] / end["sent"], 6),
        "not_sent_by_load": end["unsent"],
        "reordered": end["reordered"],
        "round_trip_us": stop["rtt_us"],
        "one_way_us": stop["one_way_us"],
        "direct_us": stop["direct_us"],
        "added_us": {name: value - stop["direct_us"][name] for name, value in stop["one_way_us"].items()},
    }


def require_tools(*, split: bool = False) -> None:
    """Checks what every benchmark here needs, and what `split` needs.

    Raises:
        CannotMeasure: this machine lacks something.
    """
    for tool in ("cc", "chrt", "ip", "taskset"):
        if shutil.which(tool) is None:
            raise CannotMeasure(f"needs '{tool}'")
    if os.geteuid() != 0:
        raise CannotMeasure("needs root, to make network namespaces of its own")
    if split and not cpu_split.can_split():
        raise CannotMeasure("--split needs 'perf' (Debian: linux-perf)")
    if (os.cpu_count() or 1) < CORES:
        raise CannotMeasure(f"needs {CORES} cores, one for the relay and one for the load")


def compare(wanted: Wanted, progress: Callable[[dict[str, Any]], None]) -> Result:
    """Measures every contender at every rate, in turn, and tells `progress` each point.

    Raises:
        CannotMeasure: this machine lacks something; the message says what.
    """
    require_tools(split=wanted.split)
    began = datetime.now(UTC)
    points: list[dict[str, Any]] = []
    splits: dict[Key, CpuSplit] = {}
    asked = [Point(relay, rate, flows) for flows in wanted.flows for rate in wanted.rates for relay in wanted.relays]
    with tempfile.TemporaryDirectory() as folder, network(loopback=wanted.loopback) as made:
        tools, samples = compiled(Path(folder)), Path(folder) / "samples"
        for _ in range(wanted.rounds):
            for point in asked:
                points.append(measure(point, made, tools, wanted, samples=None))
                progress(points[-1])
        for point in asked if wanted.split else ():
            measure(point, made, tools, wanted, samples)
            splits[point] = cpu_split.split_of(samples)
    method = "; ".join([METHOD, cpu_split.METHOD] if wanted.split else [METHOD])
    details = {"points": points, "splits": [Point(*key)._asdict() | split._asdict() for key, split in splits.items()]}
    bench = Bench("relay", began, wanted._asdict(), method, details=details)
    return points_result(bench, list(rows_of_forwarding(points, splits)))
