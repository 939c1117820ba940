"""Whether a relay's memory stays flat: very many packets in a row, and clients that move all the time.

Calls send and hear packets as fast as one core carries them, so that what passes in some minutes is what a hundred
calls send and hear in an hour. All the while calls take turns to move to a five-tuple that the relay has never seen:
the new one begins with a STUN check, the old one expires. The relay's resident memory is read at fixed times. Once the
first flows have expired there should be nothing left to grow: what grows from then on is the finding.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.machine import CannotMeasure
from bench.relay.compare import Contender, compiled, require_tools, rss_kb, running_relay
from bench.relay.death import calls_files, load_command, relay_command
from bench.relay.network import CLIENT_NET_BITS, network
from bench.relay.result import memory_over_time, row_of_soak
from bench.report.model import Result
from bench.report.points import Bench, points_result

CLIENT_HOSTS: Final = 1 << (32 - CLIENT_NET_BITS)
METHOD: Final = (
    "as many packets a second as one core carries, clients moving all the time; resident memory at equal distances"
)
ROOM: Final = 2
"""Times the flows that are held at once, so that the table never refuses one."""


class Wanted(NamedTuple):
    """What to do.

    Attributes:
        engine: "native" or "python".
        packets: both directions together.
        rate: packets per second, both directions together.
        calls: that go on at once.
        moves_per_s: how many of them per second go on from a new five-tuple.
        flow_idle_s: life of a flow after its client has moved.
        samples: how often memory is read, at equal distances.
    """

    engine: str = "native"
    packets: int = 36_000_000
    rate: int = 250_000
    calls: int = 1000
    moves_per_s: int = 200
    flow_idle_s: float = 10.0
    samples: int = 15

    @property
    def seconds(self) -> float:
        """How long the load runs."""
        return self.packets / self.rate

    @property
    def addresses(self) -> int:
        """Of all clients, one after the other; a second more for the warm-up."""
        return self.calls + int(self.moves_per_s * (self.seconds + 2)) + self.calls

    @property
    def steady_after_s(self) -> float:
        """When as many flows expire as are made."""
        return 2 * self.flow_idle_s


class Sample(NamedTuple):
    """The relay's resident memory at some time after the load has begun."""

    at_s: float
    rss_kb: int


def soak(wanted: Wanted, progress: Callable[[Sample], None]) -> Result:
    """Runs the load once.

    Raises:
        CannotMeasure: this machine lacks something, or the clients would need more addresses than there are; the
            message says what.
    """
    if wanted.addresses > CLIENT_HOSTS:
        raise CannotMeasure(f"{wanted.addresses:,} client addresses are needed and there are {CLIENT_HOSTS:,}")
    require_tools()
    began = datetime.now(UTC)
    flows_at_once = wanted.calls + int(wanted.moves_per_s * wanted.flow_idle_s)
    with tempfile.TemporaryDirectory() as directory, network() as made:
        folder = Path(directory)
        calls_files(folder, wanted.calls)
        _, load = compiled(folder)
        line = load_command(
            load, made, folder, calls=wanted.calls, packets_per_s=wanted.rate / 2, seconds=wanted.seconds
        )
        options = ("--max-flows", str(flows_at_once * ROOM), "--flow-idle-s", str(wanted.flow_idle_s))
        command = [*relay_command(folder, wanted.engine, flows=0), *options]
        with running_relay(command, made.relay) as contender:
            samples, end = _run([*line, str(wanted.moves_per_s)], contender, wanted, progress)
            held = contender.end()[1]
    steady = [sample for sample in samples if sample.at_s >= wanted.steady_after_s] or samples
    found = {
        "packets": end["upstream"] + end["received"],
        "lost_share": round(1 - end["received"] / end["sent"], 6),
        "five_tuples": wanted.calls + end["moves"],
        "flows_at_end": held["flows"],
        "checks_verified": held["checks_verified"],
        "drops": held["drops"],
        "rss_kb": [sample._asdict() for sample in samples],
        "steady_growth_kb": steady[-1].rss_kb - steady[0].rss_kb,
    }
    memory = memory_over_time([sample.rss_kb for sample in samples], wanted.seconds / wanted.samples)
    bench = Bench("relay-soak", began, wanted._asdict(), METHOD, details=found)
    return points_result(bench, [row_of_soak(found, wanted.engine)], timeline=memory)


def _run(
    line: list[str], contender: Contender, wanted: Wanted, progress: Callable[[Sample], None]
) -> tuple[list[Sample], dict[str, Any]]:
    samples = []
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as load:  # noqa: S603 - built by load_command
        for at_s in _times(load, wanted):
            samples.append(Sample(round(at_s, 1), rss_kb(contender.process_id)))
            progress(samples[-1])
        said, _ = load.communicate()
    return samples, json.loads(said.splitlines()[-1])


def _times(load: subprocess.Popen[str], wanted: Wanted) -> Iterator[float]:
    """Waits for each time to read memory at, as long as the load runs."""
    started = time.monotonic()
    for number in range(1, wanted.samples + 1):
        due = started + wanted.seconds * number / wanted.samples
        try:
            load.wait(max(0.0, due - time.monotonic()))
        except subprocess.TimeoutExpired:
            yield time.monotonic() - started
        else:
            return
