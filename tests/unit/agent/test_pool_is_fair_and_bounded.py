"""The threads that hear and speak for all calls: who goes first, what is refused, what is dropped."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from offhook_worker.agent.pool import MAX_WAITING_PER_OWNER, FairPool, PoolFull, Urgency

from tests.support.worker_scene import until


class Bench:
    """A pool of one thread, held until the test lets go, and the order in which work ran."""

    def __init__(self) -> None:
        self.pool = FairPool("test", threads=1, max_ahead=4)
        self.order: list[str] = []
        self._gate = threading.Event()
        self._holder: asyncio.Task[None] | None = None

    async def hold(self) -> None:
        self._holder = asyncio.create_task(self.pool.run("holder", self._wait, Urgency.CALLER_WAITS))
        await until(lambda: self.pool.waiting == 0 and self._is_held)

    _is_held = False

    def _wait(self) -> None:
        self._is_held = True
        assert self._gate.wait(20)

    def start(self, owner: str, name: str, urgency: Urgency = Urgency.CALLER_WAITS) -> "asyncio.Task[str]":
        return asyncio.create_task(self.pool.run(owner, self._work(name), urgency))

    def _work(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self.order.append(name)
            return name

        return work

    def release(self) -> None:
        self._gate.set()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    await made.hold()
    yield made
    made.release()
    made.pool.close()


async def settle() -> None:
    """Lets tasks that were just created reach the pool."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_owners_take_turns_and_what_a_caller_waits_for_goes_first(bench: Bench) -> None:
    tasks = [
        bench.start("a", "a-ahead", Urgency.AHEAD),
        *(bench.start("a", f"a{number}") for number in range(3)),
        bench.start("b", "b0"),
        bench.start("c", "c0"),
    ]
    await settle()
    bench.release()
    await asyncio.gather(*tasks)
    assert bench.order == ["a0", "b0", "c0", "a1", "a2", "a-ahead"]


async def test_cancelled_work_never_runs(bench: Bench) -> None:
    dropped, kept = bench.start("a", "dropped"), bench.start("a", "kept")
    await settle()
    dropped.cancel()
    await settle()
    assert bench.pool.waiting == 1
    bench.release()
    assert await kept == "kept"
    assert bench.order == ["kept"]


async def test_work_ahead_of_time_is_refused_when_much_waits_and_hurried_when_needed(bench: Bench) -> None:
    tasks = [bench.start(f"owner-{number}", f"ahead-{number}", Urgency.AHEAD) for number in range(4)]
    await settle()
    with pytest.raises(PoolFull):
        await bench.pool.run("late", str, Urgency.AHEAD)
    tasks.append(bench.start("b", "b0"))
    await settle()
    bench.pool.hurry("owner-3")
    bench.pool.hurry("nobody")
    bench.release()
    await asyncio.gather(*tasks)
    assert bench.order[:3] == ["b0", "ahead-3", "ahead-0"]


async def test_one_owner_cannot_fill_the_pool(bench: Bench) -> None:
    tasks = [bench.start("a", "x") for _ in range(MAX_WAITING_PER_OWNER)]
    await settle()
    with pytest.raises(PoolFull):
        await bench.pool.run("a", str, Urgency.CALLER_WAITS)
    tasks.append(bench.start("b", "b0"))
    bench.release()
    await asyncio.gather(*tasks)
    assert bench.order[1] == "b0"


async def test_a_fault_reaches_whoever_waits_and_nobody_else(bench: Bench) -> None:
    def fail() -> None:
        raise LookupError("no such word")

    failing = asyncio.create_task(bench.pool.run("a", fail, Urgency.CALLER_WAITS))
    fine = bench.start("a", "fine")
    await settle()
    bench.release()
    with pytest.raises(LookupError):
        await failing
    assert await fine == "fine"


async def test_load_tells_what_was_used_and_how_long_work_waited(bench: Bench) -> None:
    bench.pool.load()
    waiting = bench.start("a", "a0")
    await asyncio.sleep(0.05)
    bench.release()
    await waiting
    load = bench.pool.load()
    assert load.queue_delay_ms >= 40
    assert load.compute_s >= 0.04
    assert 0 < load.utilization <= 1
    assert bench.pool.load().queue_delay_ms == 0
