"""Input waits for the worker's credit; old audio gives way, what cannot be dropped keeps its place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.worker_scene import (
    FRAME_US,
    HandWorker,
    RecordingListener,
    hand_worker,
    hello,
    open_session,
    pool_of,
    until,
)
from transceiver.worker_link import DropPolicy, LinkDrop, LostReason, WorkerLinkSettings, WorkerPool, WorkerSession
from transceiver.worker_link.session import InputTooLarge

QUEUE_FRAMES = 10


class Scene:
    """One accepted session on a worker by hand."""

    def __init__(self, pool: WorkerPool, worker: HandWorker, session: WorkerSession, heard: RecordingListener) -> None:
        self.pool = pool
        self.worker = worker
        self.session = session
        self.heard = heard

    def say(self, first: int, count: int) -> None:
        for index in range(first, first + count):
            self.session.send_audio(b"%d" % index, index * FRAME_US, FRAME_US)

    async def grant(self, frames: int) -> None:
        await self.worker.send(
            pb.SessionOutput(session=self.session.number, credit=pb.Credit(audio_ms=frames * FRAME_US // 1000))
        )

    def arrived(self) -> list[tuple[int, int]]:
        return [(int(each.audio.payload), each.audio.lost_before) for each in self.worker.of_kind("audio")]


@asynccontextmanager
async def scene(input_credit_frames: int, policy: DropPolicy = DropPolicy.DROP_OLDEST) -> AsyncIterator[Scene]:
    settings = WorkerLinkSettings(input_queue_ms=QUEUE_FRAMES * FRAME_US // 1000, input_queue_policy=policy)
    async with hand_worker(hello("echo")) as (worker, address), pool_of([address], settings) as pool:
        heard = RecordingListener()
        opening = worker_accepts(worker, input_credit_frames)
        session = await open_session(pool, heard)
        await opening
        yield Scene(pool, worker, session, heard)


def worker_accepts(worker: HandWorker, credit_frames: int) -> "asyncio.Task[int]":
    return asyncio.create_task(worker.accept_next(credit_frames * FRAME_US // 1000))


async def test_audio_beyond_the_credit_waits_and_then_follows_in_order() -> None:
    async with scene(input_credit_frames=2) as on:
        on.say(0, 5)
        await until(lambda: len(on.arrived()) == 2)
        await on.grant(3)
        await until(lambda: len(on.arrived()) == 5)
        assert on.arrived() == [(index, 0) for index in range(5)]
        assert not on.pool.counters.drops


async def test_the_oldest_audio_gives_way_and_the_gap_is_told() -> None:
    async with scene(input_credit_frames=1) as on:
        on.say(0, 1 + QUEUE_FRAMES + 4)
        assert on.pool.counters.drops[LinkDrop.QUEUE_FULL] == 4
        await on.grant(QUEUE_FRAMES)
        await until(lambda: len(on.arrived()) == 1 + QUEUE_FRAMES)
        assert on.arrived()[:3] == [(0, 0), (5, 4), (6, 0)]


async def test_the_newest_audio_gives_way_where_the_policy_says_so() -> None:
    async with scene(input_credit_frames=1, policy=DropPolicy.DROP_NEWEST) as on:
        on.say(0, 1 + QUEUE_FRAMES + 4)
        assert on.pool.counters.drops[LinkDrop.QUEUE_FULL] == 4
        await on.grant(QUEUE_FRAMES)
        await until(lambda: len(on.arrived()) == 1 + QUEUE_FRAMES)
        on.say(15, 1)
        await on.grant(1)
        await until(lambda: len(on.arrived()) == 2 + QUEUE_FRAMES)
        assert on.arrived()[-2:] == [(QUEUE_FRAMES, 0), (15, 4)]


async def test_a_turn_event_stays_behind_its_audio_and_an_interruption_overtakes_it() -> None:
    async with scene(input_credit_frames=1) as on:
        on.say(0, 3)
        on.session.send(pb.SessionInput(turn=pb.TurnEvent(kind=pb.TurnEvent.KIND_COMMITTED, item_id="item_1")))
        on.session.interrupt("resp_1", pb.Interruption.REASON_TURN_DETECTED, 40_000)
        await until(lambda: bool(on.worker.of_kind("interruption")))
        assert not on.worker.of_kind("turn")
        await on.grant(2)
        await until(lambda: bool(on.worker.of_kind("turn")))
        kinds = [each.WhichOneof("input") for each in on.worker.inputs]
        assert kinds == ["open", "audio", "interruption", "audio", "audio", "turn"]


async def test_a_turn_event_passes_when_its_audio_was_dropped() -> None:
    async with scene(input_credit_frames=1) as on:
        on.say(0, 2)
        on.session.send(pb.SessionInput(turn=pb.TurnEvent(kind=pb.TurnEvent.KIND_COMMITTED, item_id="item_1")))
        on.say(2, QUEUE_FRAMES)
        await until(lambda: bool(on.worker.of_kind("turn")))
        assert on.pool.counters.drops[LinkDrop.QUEUE_FULL] == 1


async def test_a_frame_longer_than_the_whole_credit_still_passes() -> None:
    async with scene(input_credit_frames=1) as on:
        on.session.send_audio(b"0", 0, 10 * FRAME_US)
        on.session.send_audio(b"1", 10 * FRAME_US, FRAME_US)
        await until(lambda: on.arrived() == [(0, 0)])
        await on.grant(10)
        await until(lambda: on.arrived() == [(0, 0), (1, 0)])


async def test_a_worker_that_takes_nothing_loses_the_session_before_memory_grows() -> None:
    async with scene(input_credit_frames=1) as on:
        on.say(0, 2)
        for index in range(1000):
            on.session.send_text(f"item_{index}", "are you there?")
        assert on.heard.lost == [LostReason.OVERLOADED]
        await until(lambda: bool(on.worker.of_kind("close")))
        assert on.worker.of_kind("close")[0].close.reason == pb.SessionClose.REASON_ERROR


async def test_an_input_too_large_for_a_message_is_refused_before_it_breaks_the_link() -> None:
    settings = WorkerLinkSettings(max_message_bytes=65_536)
    async with hand_worker(hello("echo")) as (worker, address), pool_of([address], settings) as pool:
        accepting = worker_accepts(worker, 1)
        session = await open_session(pool, RecordingListener())
        await accepting
        image = pb.ImageInput(item_id="item_1", mime_type="image/png", data=bytes(65_000))
        with pytest.raises(InputTooLarge):
            session.send(pb.SessionInput(image=image))
        session.send_text("item_2", "still here")
        await until(lambda: bool(worker.of_kind("text")))


async def test_a_session_closed_by_the_caller_tells_the_worker_and_is_quiet() -> None:
    async with scene(input_credit_frames=1) as on:
        on.session.close(pb.SessionClose.REASON_CLIENT_HANGUP)
        on.session.close(pb.SessionClose.REASON_ERROR)
        await until(lambda: bool(on.worker.of_kind("close")))
        number = on.session.number
        frame = pb.AudioFrame(payload=b"late", duration_us=FRAME_US)
        await on.worker.send(
            pb.SessionOutput(session=number, audio=frame), pb.SessionOutput(session=number, end=pb.SessionEnd())
        )
        await until(lambda: on.pool.counters.drops[LinkDrop.SESSION_CLOSED] == 2)
        assert [each.close.reason for each in on.worker.of_kind("close")] == [pb.SessionClose.REASON_CLIENT_HANGUP]
        assert (on.heard.frames, on.heard.ends, on.heard.lost) == ([], 0, [])
