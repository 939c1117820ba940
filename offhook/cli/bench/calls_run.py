"""A run of `offhook bench calls`, or the many of a search for capacity: after a warm-up, on a display, until Ctrl-C."""

import asyncio
import os
import signal
from dataclasses import replace
from typing import Any, NamedTuple

from rich.console import Console

from bench.calls import exit_codes
from bench.calls.capacity import find
from bench.calls.fabric import Fabric
from bench.calls.fault_actions import Pids, prepared
from bench.calls.fault_options import FaultOption
from bench.calls.outcome import result
from bench.calls.plan import Plan
from bench.calls.pods import Pods
from bench.calls.run import Run, warm_up
from bench.calls.watched import Source
from bench.report.model import Result
from bench.report.slo import Bound
from offhook.cli.bench.output import fail
from offhook.cli.bench.progress import Display, step_told


class Broken(NamedTuple):
    """What is broken in a run, and whose it is."""

    faults: list[FaultOption]
    fabric: Fabric | None
    pids: Pids
    pods: Pods | None


class Bench:
    """Runs plans, and lets Ctrl-C end them."""

    def __init__(
        self,
        sources: list[Source],
        bounds: list[Bound],
        options: dict[str, Any],
        console: Console,
        broken: Broken,
    ) -> None:
        self._broken = broken
        self._sources = sources
        self._bounds = bounds
        self._options = options
        self._console = console
        self._stop = asyncio.Event()

    async def run(self, plan: Plan) -> Result:
        """One run, after its warm-up."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, _interrupt, self._stop)
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        plan = replace(plan, processes=min(plan.processes, plan.calls), warm_up=min(plan.warm_up, plan.calls))
        broken = self._broken
        async with prepared(broken.faults, plan, broken.pids, broken.pods) as (over_it, faults, path):
            with Display(self._console, plan) as display:
                hopeless = exit_codes.of_warm_up(await warm_up(over_it, self._stop))
                if hopeless is not None and not self._stop.is_set():
                    code, why = hopeless
                    raise fail("calls", code, f"{plan.target.shown}: {why}")
                run = Run(over_it, sources=self._sources, faults=faults, fabric=broken.pods or broken.fabric)
                recorded = await run.play(display.show, self._stop)
            if path is not None:
                recorded.path_late_share = path.late_share
        return result(recorded, self._bounds, self._options)

    async def find(self, plan: Plan, most: int) -> Result:
        """Runs until the target's capacity is known."""

        async def step(plan: Plan) -> Result:
            found = await self.run(plan)
            self._console.print(step_told(plan.calls, found), soft_wrap=True)
            return found

        return await find(plan, most, self._bounds, step)


def _interrupt(stop: asyncio.Event) -> None:
    if stop.is_set():
        # The processes of the load end with their standard input, which ends with us.
        os._exit(exit_codes.INTERRUPTED)
    stop.set()
