"""A call is placed while a worker is asked: whatever ends either side meanwhile leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.transceiver_scene import TransceiverScene
from tests.support.webrtc_client import WebRtcClient
from tests.support.worker_scene import HandWorker, hand_worker, hello, pool_of, until
from transceiver.calls.call import Call
from transceiver.calls.call_service import CallService
from transceiver.calls.errors import CallRefused
from transceiver.calls.placing import WorkerCalls
from transceiver.config import SessionLimits


def nested(depth: int) -> list[Any]:
    """A list in a list in a list, and so on."""
    outermost: list[Any] = []
    for _ in range(depth):
        outermost = [outermost]
    return outermost


class Scene:
    """A call service with a real hub, and a real pool of one worker that is written by hand."""

    def __init__(self, calls: CallService, worker: HandWorker, fabric: TransceiverScene) -> None:
        self.calls = calls
        self.worker = worker
        self.fabric = fabric

    def place(self, model: str = "model", session: Mapping[str, Any] | None = None) -> "asyncio.Task[Call]":
        """Begins a call; the task ends when it is answered or refused."""
        return asyncio.create_task(self.calls.create(WebRtcClient().offer(), model=model, session=session or {}))

    async def opened(self) -> int:
        """Returns once the worker is asked; the session's number."""
        await until(lambda: bool(self.worker.of_kind("open")))
        return self.worker.of_kind("open")[0].session

    def accept(self, number: int) -> pb.SessionOutput:
        """The worker takes the session."""
        return pb.SessionOutput(session=number, accept=pb.SessionAccept(input_credit_ms=1000))


@asynccontextmanager
async def scene(default_model: str | None = None) -> AsyncIterator[Scene]:
    """See Scene."""
    fabric = TransceiverScene()
    async with hand_worker(hello("model")) as (worker, address), pool_of([address]) as pool:
        workers = WorkerCalls(pool, audio=None, turns=None, limits=SessionLimits())
        yield Scene(CallService(fabric.hub, workers, default_model=default_model), worker, fabric)


async def refusal(placed: "asyncio.Task[Call]") -> CallRefused:
    """The error that a call was refused with."""
    with pytest.raises(CallRefused) as caught:
        await placed
    return caught.value


async def test_a_worker_that_accepts_and_ends_in_one_breath_is_no_answer() -> None:
    async with scene() as call:
        placed = call.place()
        number = await call.opened()
        await call.worker.send(call.accept(number), pb.SessionOutput(session=number, end=pb.SessionEnd()))
        error = await refusal(placed)
        assert error.code == "call_ended"
        assert len(call.calls) == len(call.fabric.hub) == 0


async def test_a_worker_that_accepts_and_fails_in_one_breath_is_no_answer() -> None:
    async with scene() as call:
        placed = call.place()
        number = await call.opened()
        fault = pb.SessionError(message="out of memory", fatal=True)
        await call.worker.send(call.accept(number), pb.SessionOutput(session=number, error=fault))
        assert (await refusal(placed)).code == "call_ended"
        assert len(call.calls) == len(call.fabric.hub) == 0


async def test_a_worker_that_accepts_a_call_already_over_is_let_go() -> None:
    async with scene() as call:
        placed = call.place()
        number = await call.opened()
        call.calls.shut_down()
        await call.worker.send(call.accept(number))
        assert (await refusal(placed)).code == "call_ended"
        await until(lambda: bool(call.worker.of_kind("close")))
        (close,) = call.worker.of_kind("close")
        assert close.close.reason == pb.SessionClose.REASON_TRANSCEIVER_DRAINING
        assert len(call.calls) == len(call.fabric.hub) == 0


async def test_a_caller_who_goes_away_takes_the_call_along() -> None:
    async with scene() as call:
        placed = call.place()
        await call.opened()
        placed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placed
        await until(lambda: bool(call.worker.of_kind("close")))
        assert len(call.calls) == len(call.fabric.hub) == 0


async def test_a_draining_transceiver_takes_no_call_and_is_idle_when_the_last_has_ended() -> None:
    async with scene() as call:
        placed = call.place(model="loopback")
        held = await placed
        call.calls.stop_admitting()
        error = await refusal(call.place())
        assert error.code == "draining"
        idle = asyncio.create_task(call.calls.idle())
        await asyncio.sleep(0)
        assert not idle.done()
        assert call.calls.hang_up(held.id)
        await asyncio.wait_for(idle, 10)
        assert not call.calls.hang_up(held.id)
        assert call.calls.refused == {"draining": 1}


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"instructions": 5}, "session.instructions"),
        ({"instructions": "\ud800"}, "session"),
        ({"temperature": "hot"}, "session.temperature"),
        ({"audio": {"output": {"voice": ["a"]}}}, "session.audio.output.voice"),
        ({"nonsense": 1}, "session.nonsense"),
        ({"prompt": {"id": "p", "variables": {"\ud800": 1}}}, "session"),
        ({"prompt": {"id": "p", "variables": {"x": 10**400}}}, "session"),
        ({"prompt": {"id": "p", "variables": {"x": nested(500)}}}, "session"),
    ],
)
async def test_a_session_object_that_no_worker_could_be_told_is_refused(session: dict[str, Any], param: str) -> None:
    async with scene() as call:
        assert (await refusal(call.place(session=session))).param == param
        assert len(call.calls) == len(call.fabric.hub) == 0
