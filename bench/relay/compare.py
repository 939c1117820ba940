"""CPU of a relay per packet and direction: the native engine beside the C baseline, alternating in one run.

The relay runs on one core, clients and transceiver on another, across a veth pair of network namespaces made for the
run. CPU is the running time of the relay's one thread (`/proc/<pid>/task/<tid>/schedstat`), which on kernels without
IRQ time accounting includes the softirq work that its sends cause; user time is sampled by the kernel's tick. Rates
count both directions together. Prints one JSON object.

Needs root, `ip`, `taskset`, a C compiler and two cores. Every load ends by itself. `offhook bench relay` runs it.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.machine import machine
from bench.relay.network import CLIENT_NET, FAR_HOST, RELAY_HOST, Network, inside, network

HERE: Final = Path(__file__).parent
RELAY_CORE, LOAD_CORE = 0, 1
PUBLIC_PORT, UPSTREAM_PORT, TRANSCEIVER_PORT, CLIENT_PORT = "3478", "3479", "5000", "40000"
FIRST_CLIENT: Final = CLIENT_NET.removesuffix(".0") + ".1"
CORES = 2
TICK_S = 0.01


class CannotMeasure(Exception):
    """This machine lacks something that the benchmark needs; the message says what."""


class Wanted(NamedTuple):
    """What to measure.

    Attributes:
        relays: contenders: "baseline" (C), "native", "python".
        rates: packets per second, both directions together.
        flows: clients, each with an address of its own.
        bytes: UDP payload of a client's datagram.
        wait_us: how long the relay lets packets gather above 20,000 per second; 0 for never.
        seconds: length of each point, at most 10.
        rounds: how often each point is measured; the summary takes the median.
        loopback: one host over `lo` instead of two over a veth pair.
    """

    relays: Sequence[str] = ("baseline", "native")
    rates: Sequence[int] = (50_000, 100_000, 200_000)
    flows: int = 1000
    bytes: int = 172
    wait_us: int = 500
    seconds: int = 5
    rounds: int = 2
    loopback: bool = False


class Cpu(NamedTuple):
    """What a thread has used so far, in seconds. `user` and `system` come in ticks of 10 ms."""

    running: float
    user: float
    system: float


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
def running_relay(command: list[str], namespace: str) -> Iterator[int]:
    """A contender that is ready; yields its process id, which `ip` and `taskset` keep."""
    line = inside(namespace, RELAY_CORE, *command)
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - built above
        try:
            assert process.stdout is not None
            json.loads(process.stdout.readline())
            yield process.pid
        finally:
            process.terminate()


def relay_thread(process_id: int) -> Path:
    """The directory in /proc of the thread that forwards."""
    tasks = list(Path(f"/proc/{process_id}/task").iterdir())
    named = [task for task in tasks if (task / "comm").read_text().startswith("relay-")]
    return (named or tasks)[0]


def cpu(thread: Path) -> Cpu:
    """What the thread has used."""
    fields = (thread / "stat").read_text().rpartition(")")[2].split()
    running = int((thread / "schedstat").read_text().split()[0]) / 1e9
    return Cpu(running, int(fields[11]) * TICK_S, int(fields[12]) * TICK_S)


def events(load: list[str]) -> Iterator[dict[str, Any]]:
    """What the load generator says, as it says it."""
    with subprocess.Popen(load, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - built above
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)


def measure(relay: str, rate: int, made: Network, tools: tuple[str, str], wanted: Wanted) -> dict[str, Any]:
    """One point: `rate` packets per second, both directions together."""
    baseline, load = tools
    to_relay = [RELAY_HOST, PUBLIC_PORT, FAR_HOST, TRANSCEIVER_PORT, CLIENT_NET, CLIENT_PORT]
    numbers = [wanted.flows, wanted.bytes, rate / 2, wanted.seconds]
    line = inside(made.far, LOAD_CORE, load, *to_relay, *map(str, numbers))
    with running_relay(relay_command(relay, baseline, wanted.flows, wanted.wait_us), made.relay) as process_id:
        thread = relay_thread(process_id)
        said = {event["event"]: (event, cpu(thread)) for event in events(line)}
    (start, before), (stop, after), (end, _) = said["start"], said["stop"], said["end"]
    packets = sum(stop[count] - start[count] for count in ("upstream", "received"))
    used = Cpu(*(late - early for late, early in zip(after, before, strict=True)))
    seconds = (stop["at_ns"] - start["at_ns"]) / 1e9
    return {
        "relay": relay,
        "offered_per_s": rate,
        "forwarded_per_s": round(packets / seconds),
        "cpu_us_per_packet": round(used.running / packets * 1e6, 3),
        "user_share": round(used.user / max(used.user + used.system, TICK_S), 3),
        "cpu_share_of_core": round(used.running / seconds, 3),
        "lost_share": round(1 - end["received"] / end["sent"], 6),
        "not_sent_by_load": end["unsent"],
        "reordered": end["reordered"],
        "round_trip_us": stop["rtt_us"],
        "one_way_us": stop["one_way_us"],
    }


def summary(points: list[dict[str, Any]], wanted: Wanted) -> list[dict[str, Any]]:
    """Per rate: the median of each contender, and how the engine compares."""
    rows = []
    for rate in wanted.rates:
        medians = {
            relay: statistics.median(
                p["cpu_us_per_packet"] for p in points if (p["relay"], p["offered_per_s"]) == (relay, rate)
            )
            for relay in wanted.relays
        }
        ratio = round(medians["native"] / medians["baseline"], 3) if {"native", "baseline"} <= set(medians) else None
        rows.append({"packets_per_s": rate, "cpu_us_per_packet": medians, "native_to_baseline": ratio})
    return rows


def require_tools() -> None:
    """Checks what every benchmark here needs.

    Raises:
        CannotMeasure: this machine lacks something.
    """
    for tool in ("cc", "ip", "taskset"):
        if shutil.which(tool) is None:
            raise CannotMeasure(f"needs '{tool}'")
    if os.geteuid() != 0:
        raise CannotMeasure("needs root, to make network namespaces of its own")
    if (os.cpu_count() or 1) < CORES:
        raise CannotMeasure(f"needs {CORES} cores, one for the relay and one for the load")


def compare(wanted: Wanted, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Measures every contender at every rate, in turn, and tells `progress` each point.

    Raises:
        CannotMeasure: this machine lacks something; the message says what.
    """
    require_tools()
    points = []
    with tempfile.TemporaryDirectory() as folder, network(loopback=wanted.loopback) as made:
        tools = compiled(Path(folder))
        for _ in range(wanted.rounds):
            for rate in wanted.rates:
                for relay in wanted.relays:
                    points.append(measure(relay, rate, made, tools, wanted))
                    progress(points[-1])
    return {
        "bench": "relay",
        "method": "contenders in turn, one relay thread on one core, load on another; CPU by that thread's schedstat",
        "machine": machine(),
        "settings": wanted._asdict(),
        "summary": summary(points, wanted),
        "points": points,
    }
