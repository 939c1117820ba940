"""A rolling restart of the relay under calls: each new process takes over the port while the old one drains."""

import contextlib
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from relay.engine.choice import native_engine_installed
from tests.support.live_caller import LiveCaller, calling, frame_number
from tests.support.metrics import read_metrics
from tests.support.planned_fabric import PlannedFabric, RoleProcess, planned_fabric
from wire.drop import DropReason

CALLS = 8
RESTARTS = 3
ENGINES = ["python", *(["native"] if native_engine_installed() else [])]


@pytest.mark.parametrize("engine", ENGINES)
async def test_no_frame_is_lost_when_relays_are_replaced(
    tmp_path: Path, engine: str, show: Callable[[str], None]
) -> None:
    async with planned_fabric(tmp_path, engine=engine) as fabric, contextlib.AsyncExitStack() as calls:
        relay = await fabric.relay("relay-0", drain_s=0.2, handover_s=3)
        callers = [await calls.enter_async_context(calling(fabric)) for _ in range(CALLS)]
        for number in range(1, RESTARTS + 1):
            relay = await replace(fabric, relay, f"relay-{number}", callers)
        await everyone_has_heard_all(callers)
        frames = sum(caller.frames_sent for caller in callers)
        show(f"{engine}: {RESTARTS} restarts under {CALLS} calls, {frames} frames there and back, none lost")


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_waits_in_the_sockets_of_a_relay_that_ends_is_forwarded(tmp_path: Path, engine: str) -> None:
    async with planned_fabric(tmp_path, engine=engine) as fabric, contextlib.AsyncExitStack() as calls:
        old = await fabric.relay("relay-0", drain_s=0, handover_s=3)
        callers = [await calls.enter_async_context(calling(fabric)) for _ in range(CALLS)]
        await fabric.relay("relay-1")
        # Held up, so that packets are queued on both its sides in the moment in which it is told to end.
        old.signal(signal.SIGSTOP)
        for caller in callers:
            await caller.until(partial(has_sent, caller, caller.frames_sent + 5), "frames into the queue")
        old.signal(signal.SIGTERM)
        old.signal(signal.SIGCONT)
        assert await old.exit_code() == 0
        await everyone_hears(callers, 10)
        await everyone_has_heard_all(callers)


async def replace(fabric: PlannedFabric, old: RoleProcess, name: str, callers: list[LiveCaller]) -> RoleProcess:
    """Starts the successor, ends the old relay, and sees to it that neither has dropped anything."""
    new = await fabric.relay(name, drain_s=0.2, handover_s=3)
    # Both have the port now, and the kernel spreads the calls over them.
    await everyone_hears(callers, 10)
    old.signal(signal.SIGTERM)
    while "handing over" not in old.log:
        await everyone_hears(callers, 1)
    # In its last seconds it is still there to be asked.
    await everyone_hears(callers, 25)
    assert drops(old) == {}
    assert await old.exit_code() == 0
    await everyone_hears(callers, 10)
    assert drops(new) == {}
    return new


async def everyone_hears(callers: list[LiveCaller], more: int) -> None:
    wanted = [len(caller.heard) + more for caller in callers]
    for caller, count in zip(callers, wanted, strict=True):
        await caller.until(partial(has_heard, caller, count), "the call goes on")


async def everyone_has_heard_all(callers: list[LiveCaller]) -> None:
    for caller in callers:
        await caller.stop_speaking()
    for caller in callers:
        await caller.until(partial(has_heard_all, caller), "every frame has come back")


def has_sent(caller: LiveCaller, count: int) -> bool:
    return caller.frames_sent >= count


def has_heard(caller: LiveCaller, count: int) -> bool:
    return len(caller.heard) >= count


def has_heard_all(caller: LiveCaller) -> bool:
    return {frame_number(payload) for payload in caller.heard} == set(range(caller.frames_sent))


def drops(relay: RoleProcess) -> dict[str, float]:
    """What a relay has discarded, by reason."""
    samples = read_metrics(relay.entry)
    counts = {reason.value: samples[f'fabric_relay_drops_total{{reason="{reason}"}}'] for reason in DropReason}
    return {reason: count for reason, count in counts.items() if count}
