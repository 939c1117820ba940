"""SIGKILL of one of two workers under 20 calls: every call goes on with the other, after a pause that is printed."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from tests.support.fabric import running_fabric
from tests.support.live_caller import LiveCaller, calling, frame_number

CALLS = 20


async def test_twenty_calls_go_on_after_a_pause(show: Callable[[str], None]) -> None:
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "2") as fabric:
        async with AsyncExitStack() as stack:
            callers = [await stack.enter_async_context(calling(fabric)) for _ in range(CALLS)]
            victim = fabric.processes("worker")[0]
            fabric.kill(victim)
            killed_at = time.monotonic()

            async def heard_again(caller: LiveCaller) -> float:
                # What is spoken from now on can only come back from a worker that lives.
                spoken_before = caller.frames_sent
                await caller.until(
                    lambda: frame_number(caller.heard[-1]) > spoken_before, "an echo of what was said after the kill"
                )
                return time.monotonic() - killed_at

            pauses = sorted(await asyncio.gather(*(heard_again(caller) for caller in callers)))
            assert all(caller.client.dtls is not None and not caller.client.dtls.closed_by_remote for caller in callers)
            show(
                f"SIGKILL of one of two workers under {CALLS} calls: all went on; heard again after "
                f"{pauses[CALLS // 2] * 1000:.0f} ms (median), {pauses[-1] * 1000:.0f} ms (last)"
            )
