"""Faults, done: a process is killed, a path gets worse, a NAT forgets its mappings."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from bench.calls.fault_options import BadFault, FaultOption
from bench.calls.faults import FaultFailed, TimedFault
from bench.calls.own_addresses import FIRST_ON_LOOPBACK
from bench.calls.plan import Plan
from bench.calls.pods import Pods
from bench.impairment.signalling import ImpairedTarget

Pids = Callable[[], Mapping[str, int]]
"""Processes of this machine that were named for the run, as they are now."""


class Prepared(NamedTuple):
    """A plan with what its faults need.

    Attributes:
        plan: calls go over the path, if there is one.
        faults: to be done while it runs.
        path: between callers and target, if a fault needs one.
    """

    plan: Plan
    faults: list[TimedFault]
    path: ImpairedTarget | None


@asynccontextmanager
async def prepared(
    options: Sequence[FaultOption], plan: Plan, pids: Pids, pods: Pods | None = None
) -> AsyncIterator[Prepared]:
    """Makes ready for the faults that were asked for, and clears up after them.

    Args:
        options: the faults.
        plan: the run.
        pids: what may be killed on this machine.
        pods: what may be deleted in a cluster; if they are given, `kill` is theirs.

    Raises:
        BadFault: what is to be killed is not among `pids` or `pods`, or the target's media cannot go over a path of
            ours.
    """
    for option in options:
        if option.kind == "kill" and pods is not None:
            await pods.require(option.victim)
    if not any(option.needs_path for option in options):
        yield Prepared(plan, [_timed(option, pids, pods, None) for option in options], None)
        return
    if plan.target.kind == "websocket":
        raise BadFault("callers on WebSockets have no UDP path: loss, delay and nat-rebind are for the other targets")
    path = ImpairedTarget(plan.target.url, callers=plan.arrivals + plan.warm_up, ca_file=plan.ca_file)
    await path.listen()
    try:
        over_it = replace(
            plan, via=path.reached_by(plan.target.url), ca_file=None, first_address=FIRST_ON_LOOPBACK, own_ports=False
        )
        yield Prepared(over_it, [_timed(option, pids, pods, path) for option in options], path)
    finally:
        await path.close()


def _timed(option: FaultOption, pids: Pids, pods: Pods | None, path: ImpairedTarget | None) -> TimedFault:
    if option.kind == "kill" and pods is not None:
        return TimedFault(option.text, option.at_s, partial(pods.delete, option.victim))
    if option.kind == "kill":
        _victim(option.victim, pids())
        return TimedFault(option.text, option.at_s, _Kill(option.victim, pids))
    assert path is not None
    if option.kind == "nat-rebind":
        return TimedFault(option.text, option.at_s, _Rebind(path))
    impaired = _Impair(option, path)
    return TimedFault(option.text, option.at_s, impaired, option.until_s, impaired.undo)


def _victim(wanted: str, pids: Mapping[str, int]) -> str:
    """The process of that name, or else the first of that role: `relay` is `relay-1`."""
    for name in sorted(pids):
        if name == wanted or name.rpartition("-")[0] == wanted:
            return name
    named = f"those that were named are {', '.join(sorted(pids))}" if pids else "--fabric or --pid name processes"
    raise BadFault(f"kill-{wanted}: no such process; {named}")


class _Kill:
    """SIGKILL: no time to say goodbye."""

    def __init__(self, victim: str, pids: Pids) -> None:
        self._victim = victim
        self._pids = pids

    async def __call__(self) -> str:
        try:
            pids = self._pids()
            name = _victim(self._victim, pids)
            os.kill(pids[name], signal.SIGKILL)
        except (OSError, ValueError) as error:
            raise FaultFailed(str(error)) from None
        return f"{name} (process {pids[name]}) was killed"


class _Rebind:
    def __init__(self, path: ImpairedTarget) -> None:
        self._path = path

    async def __call__(self) -> str:
        return f"{await self._path.rebind()} callers went on from another port"


class _Impair:
    """Loss or delay, each way, for a while."""

    def __init__(self, option: FaultOption, path: ImpairedTarget) -> None:
        self._option = option
        self._conditions = path.conditions
        self._before = replace(path.conditions)

    async def __call__(self) -> str:
        option = self._option
        if option.kind == "loss":
            self._conditions.loss = option.loss
            return f"{option.loss:.1%} of the packets lost, each way"
        self._conditions.one_way_s, self._conditions.jitter_s = option.delay_s, option.jitter_s
        varied = f" ± {option.jitter_s * 1000:.0f}" if option.jitter_s else ""
        return f"{option.delay_s * 1000:.0f}{varied} ms of delay, each way"

    async def undo(self) -> None:
        if self._option.kind == "loss":
            self._conditions.loss = self._before.loss
        else:
            self._conditions.one_way_s, self._conditions.jitter_s = self._before.one_way_s, self._before.jitter_s
