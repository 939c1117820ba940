"""The watch on the event loop counts delays, and counts none twice."""

import asyncio
import time

from transceiver.loop_watch import BOUNDS_S, INTERVAL_S, LoopWatch


async def test_a_loop_that_was_held_up_is_counted_beyond_the_delay() -> None:
    watch = LoopWatch()
    try:
        time.sleep(INTERVAL_S + 0.06)  # noqa: ASYNC251 - what holds a loop up
        async with asyncio.timeout(20):
            while not sum(watch.counts):
                await asyncio.sleep(0.001)
    finally:
        watch.cancel()
    late = sum(
        count for bound, count in zip((*BOUNDS_S[1:], float("inf")), watch.counts[1:], strict=True) if bound > 0.05
    )
    assert late == 1
    assert watch.lag_sum_s >= 0.05
    assert watch.tasks >= 1
