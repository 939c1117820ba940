"""Audio that comes seldom leaves at once; what comes all the time shares a message per interval. In virtual time."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from offhook_proto.worker.v1 import worker_pb2
from offhook_worker.outbox import Outbox as WorkerOutbox

from tests.support.virtual_loop import run_in_virtual_time
from transceiver.worker_link.outbox import Outbox
from transceiver.worker_link.ticker import Ticker

INTERVAL_S = 0.01


class TransceiverEnd:
    """What a transceiver says to a worker."""

    def __init__(self) -> None:
        ticker = Ticker(INTERVAL_S)
        self._outbox = Outbox(ticker)
        self.wait = ticker.wait

    def say(self, *, at_once: bool) -> None:
        self._outbox.put(worker_pb2.SessionInput(audio=worker_pb2.AudioFrame()), at_once=at_once)

    def take(self) -> int:
        request = self._outbox.take()
        return len(request.inputs) if request is not None else 0


class WorkerEnd:
    """What a worker says to a transceiver."""

    def __init__(self) -> None:
        self._outbox = WorkerOutbox(INTERVAL_S)
        self.wait = self._outbox.wait

    def say(self, *, at_once: bool) -> None:
        self._outbox.put(worker_pb2.SessionOutput(audio=worker_pb2.AudioFrame()), at_once=at_once)

    def take(self) -> int:
        response = self._outbox.take()
        return len(response.outputs) if response is not None else 0


End = TransceiverEnd | WorkerEnd
both = pytest.mark.parametrize("make", [TransceiverEnd, WorkerEnd])


def left(make: Callable[[], End], said_ms: Sequence[float], *, at_once_ms: float = -1) -> list[tuple[float, int]]:
    """When messages left, in ms, and how many frames each had, of frames that came when `said_ms` says."""
    messages: list[tuple[float, int]] = []

    async def scene() -> None:
        loop, end = asyncio.get_running_loop(), make()
        began = loop.time()
        for at_ms in said_ms:
            loop.call_at(began + at_ms / 1000, partial(end.say, at_once=at_ms == at_once_ms))
        while sum(frames for _, frames in messages) < len(said_ms):
            await end.wait()
            messages.append((round((loop.time() - began) * 1000, 3), end.take()))

    run_in_virtual_time(scene())
    return messages


@both
def test_a_single_session_never_waits(make: Callable[[], End]) -> None:
    assert left(make, [0, 20, 40, 60]) == [(0, 1), (20, 1), (40, 1), (60, 1)]


@both
def test_many_sessions_share_a_message_per_interval(make: Callable[[], End]) -> None:
    assert left(make, range(40)) == [(0, 1), (10, 10), (20, 10), (30, 10), (40, 9)]


@both
def test_what_comes_together_leaves_together(make: Callable[[], End]) -> None:
    assert left(make, [5, 5, 5, 6, 6]) == [(5, 3), (15, 2)]


@both
def test_what_is_waited_for_takes_along_what_is_there_and_the_interval_counts_from_it(make: Callable[[], End]) -> None:
    assert left(make, [0, 2, 4, 6], at_once_ms=4) == [(0, 1), (4, 2), (14, 1)]
