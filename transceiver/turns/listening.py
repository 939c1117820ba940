"""Who listens: the speech model on a thread of its own, one run for the windows of many calls.

The thread takes the oldest window of each call that has one, up to a full batch, judges them in one run and hands the
answers to the event loop in one step. Runs begin GATHER_S apart, so batches grow as load does and a lone call, with a
window each 32 ms, never waits; nor does one that has more than a window to judge, such as a pre-roll. Each call's
windows are judged in order, and none waits for a call that has many. A call whose queue is full loses its oldest window
(`skip_oldest`): the model then hears a gap, and the answer is None.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import structlog

from transceiver.turns.counters import ModelCounters
from transceiver.turns.detector import Listen

_log = structlog.get_logger(__name__)

MAX_BATCH = 32
"""Windows per run. Measured: one of 8 costs 0.45 of one alone, of 32 0.40; more only adds latency."""
GATHER_S = 0.008
"""Least time between the beginnings of two runs. Measured: halves the CPU of 32 callers who speak at once."""
MAX_QUEUED_WINDOWS = 62
"""Windows of one call that may wait: two seconds."""

OnProbabilities = Callable[[Sequence[float | None]], None]


Memory = Any
"""What a speech model remembers of one call; the model's own."""


class SpeechModel(Protocol):
    """`SileroVad`, as seen from here."""

    def new_memory(self) -> Memory:
        """See `SileroVad.new_memory`."""

    def probabilities(self, memories: Sequence[Memory], windows: Sequence[bytes]) -> list[float]:
        """See `SileroVad.probabilities`."""


class Ear(Protocol):
    """What listens to one call. Event loop only."""

    def listen(self, request: Listen) -> None:
        """Judges the windows. The answers come to the call's `OnProbabilities`, in order."""

    def close(self) -> None:
        """No answer comes any more."""


class Ears(Protocol):
    """Opens an `Ear` for each call."""

    def open(self, on_probabilities: OnProbabilities) -> Ear:
        """Answers go to `on_probabilities`, on the event loop."""

    def close(self) -> None:
        """Stops listening. No answer comes any more."""


class _Queued(NamedTuple):
    pcm: bytes
    fresh: bool
    arrived: float


class _Judged(NamedTuple):
    ear: "_PooledEar"
    skipped: int
    probability: float | None
    arrived: float


class ListeningPool:
    """`Ears` on a thread.

    Args:
        model: run by that thread alone.
        loop: where answers are wanted.
        counters: told what was done; on the loop.
    """

    def __init__(self, model: SpeechModel, loop: asyncio.AbstractEventLoop, counters: ModelCounters) -> None:
        self._model = model
        self._loop = loop
        self._counters = counters
        self._changed = threading.Condition()
        self._ready: deque[_PooledEar] = deque()
        self._closed = False
        self._next_run = 0.0
        self._thread = threading.Thread(target=self._run, name="turns-listening", daemon=True)
        self._thread.start()

    def open(self, on_probabilities: OnProbabilities) -> "Ear":
        """See `Ears`."""
        return _PooledEar(self, self._model.new_memory(), on_probabilities)

    def close(self) -> None:
        """See `Ears`. Waits for the run under way, some milliseconds."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def enqueue(self, ear: "_PooledEar", request: Listen) -> None:
        """Queues windows of a call; for its ear."""
        arrived = time.monotonic()
        self._counters.asked += len(request.windows)
        with self._changed:
            for index, pcm in enumerate(request.windows):
                ear.queue.append(_Queued(pcm, request.fresh and index == 0, arrived))
            self._counters.skipped += ear.shorten(MAX_QUEUED_WINDOWS)
            if ear.queue and not ear.in_line:
                ear.in_line = True
                self._ready.append(ear)
                # One more window need not wake a thread that gathers them.
                if len(self._ready) in (1, MAX_BATCH) or len(ear.queue) > 1:
                    self._changed.notify()

    def discard(self, ear: "_PooledEar") -> None:
        """Forgets what a call still waits for; for its ear."""
        with self._changed:
            ear.queue.clear()

    # The thread

    def _run(self) -> None:
        while batch := self._take():
            cpu_before = time.thread_time()
            probabilities = self._judge(batch)
            cpu_s = time.thread_time() - cpu_before
            judged = [
                _Judged(ear, skipped, probability, queued.arrived)
                for (ear, queued, skipped), probability in zip(batch, probabilities, strict=True)
            ]
            self._put_back(ear for ear, _, _ in batch)
            try:
                self._loop.call_soon_threadsafe(self._deliver, judged, cpu_s)
            except RuntimeError:
                return  # The loop has ended without closing the pool.

    def _judge(self, batch: list[tuple["_PooledEar", _Queued, int]]) -> Sequence[float | None]:
        for ear, queued, _ in batch:
            if queued.fresh:
                ear.memory = self._model.new_memory()
        memories = [ear.memory for ear, _, _ in batch]
        try:
            return self._model.probabilities(memories, [queued.pcm for _, queued, _ in batch])
        except Exception:  # noqa: BLE001 - a call that waits for ever would be worse, whatever it is
            _log.exception("the speech model failed; windows go unjudged")
            return [None] * len(batch)

    def _take(self) -> list[tuple["_PooledEar", _Queued, int]]:
        """The next batch; waits for one. Empty once the pool is closed."""
        batch: list[tuple[_PooledEar, _Queued, int]] = []
        with self._changed:
            while not batch:
                self._gather()
                if self._closed:
                    return []
                while self._ready and len(batch) < MAX_BATCH:
                    ear = self._ready.popleft()
                    if ear.queue:
                        batch.append((ear, ear.queue.popleft(), ear.take_skipped()))
                    else:
                        ear.in_line = False
        return batch

    def _gather(self) -> None:
        """Waits for a window, and after a run a moment longer for those of other calls."""
        while not self._closed:
            wait_s = self._next_run - time.monotonic()
            if self._ready and (wait_s <= 0 or len(self._ready) >= MAX_BATCH or self._has_backlog()):
                self._next_run = time.monotonic() + GATHER_S
                return
            self._changed.wait(wait_s if self._ready else None)

    def _has_backlog(self) -> bool:
        return any(len(ear.queue) > 1 for ear in self._ready)

    def _put_back(self, ears: Iterable["_PooledEar"]) -> None:
        with self._changed:
            for ear in ears:
                ear.in_line = bool(ear.queue)
                if ear.in_line:
                    self._ready.append(ear)

    # The loop

    def _deliver(self, judged: list[_Judged], cpu_s: float) -> None:
        now = time.monotonic()
        self._counters.runs += 1
        self._counters.cpu_s += cpu_s
        self._counters.judged += len(judged)
        for ear, skipped, probability, arrived in judged:
            self._counters.delays.observe(now - arrived)
            # Each call by itself, so that one that fails takes no other with it.
            self._loop.call_soon(ear.deliver, [*[None] * skipped, probability])


class _PooledEar:
    """Everything of one call. `queue`, `in_line` and what was skipped are guarded by the pool's lock.

    `memory` belongs to the thread.
    """

    def __init__(self, pool: ListeningPool, memory: Memory, on_probabilities: OnProbabilities) -> None:
        self.queue: deque[_Queued] = deque()
        self.in_line = False
        self._skipped = 0
        self.memory = memory
        self._pool = pool
        self._on_probabilities: OnProbabilities | None = on_probabilities

    def listen(self, request: Listen) -> None:
        if self._on_probabilities is not None:
            self._pool.enqueue(self, request)

    def close(self) -> None:
        self._on_probabilities = None
        self._pool.discard(self)

    def deliver(self, probabilities: Sequence[float | None]) -> None:
        if self._on_probabilities is not None:
            self._on_probabilities(probabilities)

    def shorten(self, most: int) -> int:
        """Drops the oldest windows beyond `most`; how many."""
        dropped = 0
        while len(self.queue) > most:
            gone = self.queue.popleft()
            if gone.fresh:
                self.queue[0] = self.queue[0]._replace(fresh=True)
            dropped += 1
        self._skipped += dropped
        return dropped

    def take_skipped(self) -> int:
        skipped, self._skipped = self._skipped, 0
        return skipped


class InlineEars:
    """`Ears` that answer before `listen` returns: for virtual time, where a thread's delay has no place."""

    def __init__(self, model: SpeechModel) -> None:
        self._model = model

    def open(self, on_probabilities: OnProbabilities) -> "Ear":
        """See `Ears`."""
        return _InlineEar(self._model, on_probabilities)

    def close(self) -> None:
        """See `Ears`."""


class _InlineEar:
    def __init__(self, model: SpeechModel, on_probabilities: OnProbabilities) -> None:
        self._model = model
        self._memory = model.new_memory()
        self._on_probabilities = on_probabilities

    def listen(self, request: Listen) -> None:
        if request.fresh:
            self._memory = self._model.new_memory()
        for pcm in request.windows:
            self._on_probabilities(self._model.probabilities([self._memory], [pcm]))

    def close(self) -> None:
        pass
