"""Who tells whether a sentence is finished: the end-of-turn model on a thread of its own.

One question takes some 50 ms, so questions wait for each other: at most MAX_WAITING, further ones are refused
(`refuse_newest`), which costs that caller a fixed pause. A question that the caller has overtaken is not run.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog

from transceiver.turns.counters import ModelCounters

_log = structlog.get_logger(__name__)

MAX_WAITING = 16
"""Questions that may wait: beyond, the answer would come later than the pause that stands in for it."""

OnAnswer = Callable[[bool | None], None]


class EndOfTurnModel(Protocol):
    """`SmartTurn`, as seen from here."""

    def is_finished(self, pcm: bytes) -> bool:
        """See `SmartTurn.is_finished`."""


class Question(Protocol):
    """A question under way."""

    def withdraw(self) -> None:
        """The answer is not wanted any more, and does not come."""


class Questions(Protocol):
    """Asks whether a turn is finished. Event loop only."""

    def ask(self, pcm: bytes, on_answer: OnAnswer) -> Question:
        """`on_answer` gets the answer to `pcm`, the turn's audio, on the event loop; None: it could not be told."""

    def close(self) -> None:
        """Stops. No answer comes any more."""


class _Waiting:
    def __init__(self, pcm: bytes, on_answer: OnAnswer) -> None:
        self.pcm = pcm
        self.asked = time.monotonic()
        self.on_answer: OnAnswer | None = on_answer

    def withdraw(self) -> None:
        self.on_answer = None


class QuestionPool:
    """`Questions` on a thread; see the module's docstring.

    Args:
        model: run by that thread alone.
        loop: where answers are wanted.
        counters: told what was done; on the loop.
    """

    def __init__(self, model: EndOfTurnModel, loop: asyncio.AbstractEventLoop, counters: ModelCounters) -> None:
        self._model = model
        self._loop = loop
        self._counters = counters
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="turns-questions", daemon=True)
        self._thread.start()

    def ask(self, pcm: bytes, on_answer: OnAnswer) -> Question:
        """See `Questions`."""
        question = _Waiting(pcm, on_answer)
        self._counters.asked += 1
        with self._changed:
            refused = len(self._waiting) >= MAX_WAITING
            if not refused:
                self._waiting.append(question)
                self._changed.notify()
        if refused:
            self._counters.skipped += 1
            self._loop.call_soon(self._deliver, question, None)
        return question

    def close(self) -> None:
        """See `Questions`. Waits for the question under way, some 50 ms."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    # The thread

    def _run(self) -> None:
        while (question := self._take()) is not None:
            cpu_before = time.thread_time()
            try:
                # Withdrawn between two looks at it is merely computed in vain.
                finished = self._model.is_finished(question.pcm) if question.on_answer is not None else None
            except Exception:  # noqa: BLE001 - a caller who waits for ever would be worse, whatever it is
                _log.exception("the end-of-turn model failed; a pause stands in for it")
                finished = None
            cpu_s = time.thread_time() - cpu_before
            try:
                self._loop.call_soon_threadsafe(self._answered, question, finished, cpu_s)
            except RuntimeError:
                return  # The loop has ended without closing the pool.

    def _take(self) -> _Waiting | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            return None if self._closed else self._waiting.popleft()

    # The loop

    def _answered(self, question: _Waiting, finished: bool | None, cpu_s: float) -> None:
        self._counters.cpu_s += cpu_s
        if finished is not None:
            self._counters.runs += 1
            self._counters.judged += 1
            self._counters.delays.observe(time.monotonic() - question.asked)
        self._deliver(question, finished)

    @staticmethod
    def _deliver(question: _Waiting, finished: bool | None) -> None:
        if question.on_answer is not None:
            question.on_answer(finished)


class InlineQuestions:
    """`Questions` answered before `ask` returns: for virtual time, where a thread's delay has no place."""

    def __init__(self, model: EndOfTurnModel) -> None:
        self._model = model

    def ask(self, pcm: bytes, on_answer: OnAnswer) -> Question:
        """See `Questions`."""
        question = _Waiting(pcm, on_answer)
        on_answer(self._model.is_finished(pcm))
        return question

    def close(self) -> None:
        """See `Questions`."""
