"""Threads that compute for many calls: few, fair, and never with work for somebody who has gone."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Any, TypeVar

_Result = TypeVar("_Result")

MAX_WAITING_PER_OWNER = 8
"""A call never has so much to do at once."""


class Urgency(IntEnum):
    """What goes first, whoever wants it."""

    CALLER_WAITS = 0
    """Somebody hears silence until this is done."""
    AHEAD = 1
    """May turn out useless."""


class PoolFull(Exception):
    """The owner has too much waiting already, or the pool has and this can be done without."""


@dataclass(frozen=True, slots=True)
class PoolLoad:
    """What a pool did since it was last asked.

    Attributes:
        utilization: fraction of its threads' time that was used, 0 to 1.
        queue_delay_ms: how long work waited for a thread, 95th percentile.
        compute_s: time that work took, all threads together.
    """

    utilization: float
    queue_delay_ms: float
    compute_s: float


@dataclass(eq=False, slots=True)
class _Job:
    work: Callable[[], Any]
    done: "asyncio.Future[Any]"
    queued_at: float


class FairPool:
    """Runs functions in threads: by urgency, and within one urgency owner by owner in turn.

    Everything but the functions runs on the event loop. Cancelling `run` takes work that waits out of the queue; what
    runs already runs on, and nobody hears of it.

    Args:
        max_ahead: how much work of Urgency.AHEAD may wait, all owners together; more is refused, as it would come too
            late to be of use.
    """

    def __init__(self, name: str, threads: int, max_ahead: int = 16) -> None:
        self._threads = threads
        self._max_ahead = max_ahead
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._queues: dict[Urgency, OrderedDict[Hashable, deque[_Job]]] = {each: OrderedDict() for each in Urgency}
        self._running = 0
        self._busy_s = 0.0
        self._delays_s: deque[float] = deque(maxlen=4096)
        self._asked_at: float | None = None

    @property
    def waiting(self) -> int:
        """Jobs that wait for a thread."""
        return sum(len(queue) for owners in self._queues.values() for queue in owners.values())

    async def run(self, owner: Hashable, work: Callable[[], _Result], urgency: Urgency) -> _Result:
        """`work()` in a thread.

        Raises:
            PoolFull: too much waits.
        """
        owners = self._queues[urgency]
        ahead = sum(map(len, self._queues[Urgency.AHEAD].values()))
        is_late = urgency is Urgency.AHEAD and ahead >= self._max_ahead
        if is_late or len(owners.get(owner, ())) >= MAX_WAITING_PER_OWNER:
            raise PoolFull
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), loop.time())
        owners.setdefault(owner, deque()).append(job)
        self._start_next()
        try:
            result: _Result = await job.done
        finally:
            self._withdraw(owner, job)
        return result

    def hurry(self, owner: Hashable) -> None:
        """What the owner has waiting ahead of time is needed now."""
        ahead = self._queues[Urgency.AHEAD].pop(owner, None)
        if ahead:
            self._queues[Urgency.CALLER_WAITS].setdefault(owner, deque()).extend(ahead)

    def load(self) -> PoolLoad:
        """Ends a period and tells what it was like."""
        now = asyncio.get_running_loop().time()
        period_s = now - self._asked_at if self._asked_at is not None else 0.0
        self._asked_at = now
        delays = sorted(self._delays_s)
        busy_s, self._busy_s = self._busy_s, 0.0
        self._delays_s.clear()
        return PoolLoad(
            utilization=min(1.0, busy_s / (period_s * self._threads)) if period_s else 0.0,
            queue_delay_ms=delays[int(len(delays) * 0.95)] * 1000 if delays else 0.0,
            compute_s=busy_s,
        )

    def close(self) -> None:
        """Runs nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _start_next(self) -> None:
        while self._running < self._threads and (job := self._take()) is not None:
            loop = asyncio.get_running_loop()
            self._delays_s.append(loop.time() - job.queued_at)
            self._running += 1
            started_at = loop.time()
            running = loop.run_in_executor(self._executor, job.work)
            running.add_done_callback(partial(self._finished, job, started_at))

    def _take(self) -> _Job | None:
        for owners in self._queues.values():
            while owners:
                owner, queue = owners.popitem(last=False)
                if not queue:
                    continue
                job = queue.popleft()
                if queue:
                    owners[owner] = queue  # to the end: the others first
                return job
        return None

    def _finished(self, job: _Job, started_at: float, ran: "asyncio.Future[Any]") -> None:
        self._running -= 1
        self._busy_s += asyncio.get_running_loop().time() - started_at
        if ran.cancelled():
            job.done.cancel()
        elif not job.done.done():
            fault = ran.exception()
            if fault is None:
                job.done.set_result(ran.result())
            else:
                job.done.set_exception(fault)
        else:
            ran.exception()  # nobody waits; an error that nobody fetched would be logged as forgotten
        self._start_next()

    def _withdraw(self, owner: Hashable, job: _Job) -> None:
        for owners in self._queues.values():
            queue = owners.get(owner)
            if queue is not None and job in queue:
                queue.remove(job)
                if not queue:
                    del owners[owner]
