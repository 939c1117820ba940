"""A run: the load client's processes on one schedule, what is watched, what is broken, and how far it is."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from bench.calls.engine import END_WITHIN_S, Engine
from bench.calls.fabric import Counted
from bench.calls.faults import Done, FaultFailed, TimedFault
from bench.calls.plan import Plan
from bench.calls.tally import Second, Tally
from bench.calls.watched import Source, Watch
from bench.client import LoadFailed
from bench.process import Process, machine_busy_s, udp_drops

WARM_UP_S: Final = 0.5
WARM_UP_SETTLE_S: Final = 0.2
WARM_UP_RATE: Final = 10.0


@dataclass
class Progress:
    """How far a run is. Seconds lag by two, for packets may take one to come back."""

    stage: str
    elapsed_s: float = 0.0
    total_s: float = 0.0
    second: Second | None = None


class OwnUse(NamedTuple):
    """CPU time so far: of all that the load consists of, and of this machine's cores with anything, if that is told."""

    load_s: float
    machine_s: float | None


@dataclass
class Recorded:
    """What a run has brought.

    Attributes:
        plan: what was to be done.
        tally: what callers said.
        watch: samples `before`, `begin` and `end`.
        faults: that were due.
        started_at: when.
        interrupted: it was ended before its time, from outside.
        died_at_s: from when on nothing came any more, though callers spoke; None if it did.
        own_use: CPU at `begin` and `end`.
        own_drops: datagrams that our own sockets had no room for.
        path_late_share: share of the time in which the path in between, if there was one, held packets up by itself.
    """

    plan: Plan
    tally: Tally
    watch: Watch
    started_at: datetime
    faults: list[Done] = field(default_factory=list)
    interrupted: bool = False
    died_at_s: float | None = None
    own_use: dict[str, OwnUse] = field(default_factory=dict)
    own_drops: int = 0
    path_late_share: float = 0.0


Show = Callable[[Progress], None]


async def warm_up(plan: Plan, stop: asyncio.Event) -> Tally:
    """A few calls that do not count. They show whether the target answers, and make it load what it keeps.

    Raises:
        LoadFailed: the load client ended before its time.
    """
    few = replace(
        plan,
        profile="echo",
        calls=plan.warm_up,
        rate=min(plan.rate, WARM_UP_RATE),
        settle_s=WARM_UP_SETTLE_S,
        duration_s=WARM_UP_S,
        processes=1,
        setup_timeout_s=min(plan.setup_timeout_s, 10.0),
    )
    return (await Run(few, sources=(), faults=()).play(lambda _: None, stop)).tally


class Run:
    """One run of a plan; of a fabric that is given, its relays' counters are read around each fault."""

    def __init__(
        self, plan: Plan, *, sources: Sequence[Source], faults: Sequence[TimedFault], fabric: Counted | None = None
    ) -> None:
        self._plan = plan
        self._faults = faults
        self._fabric = fabric
        self._engines: list[Engine] = []
        self._silent_s = 0
        self._lost = 0
        self._recorded = Recorded(plan, Tally(plan.processes), Watch(sources), datetime.now(UTC))

    async def play(self, show: Show, stop: asyncio.Event) -> Recorded:
        """Runs it to its end, or until `stop` is set: either way there is something to report.

        Raises:
            LoadFailed: a process of the load client ended before its time.
        """
        try:
            return await self._play(show, stop)
        except* LoadFailed as failed:
            first = failed.exceptions[0]
        raise first

    async def _play(self, show: Show, stop: asyncio.Event) -> Recorded:
        plan = self._plan
        async with AsyncExitStack() as stack:
            for process in range(plan.processes):
                engine = await Engine.start(plan.program, plan.options(process), key=plan.key)
                stack.push_async_callback(engine.close)
                self._engines.append(engine)
            await self._recorded.watch.sample("before")
            begun = time.monotonic()
            for engine in self._engines:
                engine.go()
            async with asyncio.TaskGroup() as tasks:
                reading = [tasks.create_task(self._read(process, show)) for process in range(plan.processes)]
                beside = [
                    tasks.create_task(self._at(begun, plan.measure_from_s, "begin")),
                    tasks.create_task(self._at(begun, plan.measure_to_s, "end")),
                    tasks.create_task(self._stop_when(stop)),
                    *(tasks.create_task(self._do(fault, begun)) for fault in self._faults),
                ]
                await asyncio.wait(reading)
                for task in beside:
                    task.cancel()
            await self._read_relays()
            if self._recorded.died_at_s is not None:
                await self._recorded.watch.sample("end")
            self._recorded.own_drops = sum(
                udp_drops(engine.client_port) for engine in self._engines if engine.client_port
            )
        return self._recorded

    async def _read(self, process: int, show: Show) -> None:
        async for name, event in self._engines[process].events():
            second = self._recorded.tally.take(process, name, event)
            if second is not None:
                number = event["second"]
                self._watch_for_death(number, second)
                show(Progress(self._stage(number), number + 1.0, self._plan.measure_to_s, second))

    def _stage(self, number: int) -> str:
        return "measuring" if number + 1 >= self._plan.measure_from_s else "calls arrive"

    def _watch_for_death(self, number: int, second: Second) -> None:
        """A target is dead if nothing comes though callers speak, or if all of them have lost it."""
        counts = second.counts
        self._lost += counts["lost"]
        deserted = self._lost > 0 and not counts["active"] and not counts["setups"]
        # Who talks with somebody may well hear nothing for a while.
        ignored = counts["sent"] > 0 and self._plan.profile in {"echo", "setup-storm"}
        unheard = not counts["arrived"] and (ignored or deserted)
        self._silent_s = self._silent_s + 1 if unheard else 0
        # A fault may well silence it for a while, so then the run goes on.
        if not self._faults and self._silent_s >= self._plan.dead_after_s and self._recorded.died_at_s is None:
            self._recorded.died_at_s = float(number + 1 - self._silent_s)
            self._stop_all()

    async def _at(self, begun: float, at_s: float, moment: str) -> None:
        await asyncio.sleep(begun + at_s - time.monotonic())
        await self._sample(moment)

    async def _sample(self, moment: str) -> None:
        processes = [Process.own(), *(Process(engine.pid) for engine in self._engines)]
        self._recorded.own_use[moment] = OwnUse(sum(map(_cpu_s, processes)), machine_busy_s())
        await self._recorded.watch.sample(moment)

    async def _do(self, fault: TimedFault, begun: float) -> None:
        await asyncio.sleep(begun + fault.at_s - time.monotonic())
        relays = await self._fabric.relay_counters() if self._fabric else None
        done = Done(fault, at_s=time.monotonic() - begun, relays=relays)
        self._recorded.faults.append(done)
        try:
            done.what = await fault.act()
        except FaultFailed as error:
            done.error = str(error)
            return
        if fault.until_s is not None and fault.undo is not None:
            await asyncio.sleep(begun + fault.until_s - time.monotonic())
            await fault.undo()

    async def _read_relays(self) -> None:
        if self._fabric is None or not self._recorded.faults:
            return
        now = await self._fabric.relay_counters()
        for done in self._recorded.faults:
            if done.relays is not None:
                done.seen = now.since(done.relays)

    async def _stop_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._recorded.interrupted = True
        await self._sample("end")
        self._stop_all()
        await asyncio.sleep(END_WITHIN_S)
        raise LoadFailed(f"it did not end within {END_WITHIN_S:.0f} s")

    def _stop_all(self) -> None:
        for engine in self._engines:
            engine.stop()


def _cpu_s(process: Process) -> float:
    try:
        return process.cpu().running
    except OSError:
        # It has ended early, which its output tells.
        return 0.0
