"""A worker that breaks the protocol: each fault is counted, the other sessions go on."""

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
from transceiver.worker_link import (
    LinkDrop,
    LostReason,
    NoCapacity,
    WorkerLinkSettings,
    WorkerPool,
    WorkerSession,
    WorkerSessionListener,
)
from transceiver.worker_link.stream import MAX_USELESS


@asynccontextmanager
async def scene(
    listener: WorkerSessionListener, settings: WorkerLinkSettings | None = None
) -> AsyncIterator[tuple[WorkerPool, HandWorker, WorkerSession]]:
    async with hand_worker(hello("echo")) as (worker, address), pool_of([address], settings) as pool:
        accepting = asyncio.create_task(worker.accept_next(1000))
        session = await open_session(pool, listener)
        await accepting
        yield pool, worker, session


def frame(number: int, payload: bytes = b"frame", duration_us: int = FRAME_US) -> pb.SessionOutput:
    return pb.SessionOutput(session=number, audio=pb.AudioFrame(payload=payload, duration_us=duration_us))


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ([frame(77)], LinkDrop.UNKNOWN_SESSION),
        ([frame(0)], LinkDrop.UNKNOWN_SESSION),
        ([frame(1, duration_us=0)], LinkDrop.MALFORMED_OUTPUT),
        ([frame(1, duration_us=2**32 - 1)], LinkDrop.MALFORMED_OUTPUT),
        ([pb.SessionOutput(session=1)], LinkDrop.MALFORMED_OUTPUT),
        ([pb.SessionOutput(session=1, accept=pb.SessionAccept())], LinkDrop.MALFORMED_OUTPUT),
        ([pb.SessionOutput(session=1, reject=pb.SessionReject())], LinkDrop.MALFORMED_OUTPUT),
    ],
    ids=["unknown-session", "session-zero", "no-duration", "endless", "no-content", "second-accept", "late-reject"],
)
async def test_a_fault_is_counted_and_the_session_goes_on(faults: list[pb.SessionOutput], reason: LinkDrop) -> None:
    heard = RecordingListener()
    async with scene(heard) as (pool, worker, session):
        await worker.send(*faults, frame(session.number, b"good"))
        await until(lambda: bool(heard.frames))
        assert [each.payload for each in heard.frames] == [b"good"]
        assert dict(pool.counters.drops) == {reason: 1}
        assert session.is_open


async def test_audio_before_accept_is_dropped() -> None:
    async with hand_worker(hello("echo")) as (worker, address), pool_of([address]) as pool:
        heard = RecordingListener()
        opening = asyncio.create_task(open_session(pool, heard))
        await until(lambda: bool(worker.of_kind("open")))
        number = worker.of_kind("open")[0].session
        text = pb.SessionOutput(session=number, text=pb.TextDelta(delta="early"))
        await worker.send(frame(number, b"early"), text)
        await until(lambda: pool.counters.drops[LinkDrop.NOT_ACCEPTED] == 2)
        await worker.accept_next(1000)
        await opening
        assert not heard.frames
        assert not heard.texts


async def test_a_flood_beyond_the_credit_is_dropped() -> None:
    heard = RecordingListener()
    async with scene(heard, WorkerLinkSettings(output_credit_ms=200)) as (pool, worker, session):
        await worker.send(*(frame(session.number) for _ in range(25)))
        await until(lambda: pool.counters.drops[LinkDrop.OVER_CREDIT] == 15)
        session.grant_output(60)
        await until(lambda: bool(worker.of_kind("credit")))
        await worker.send(*(frame(session.number) for _ in range(5)))
        await until(lambda: pool.counters.drops[LinkDrop.OVER_CREDIT] == 17)
        assert len(heard.frames) == 13


async def test_everything_but_audio_reaches_the_listener_by_its_kind() -> None:
    heard = RecordingListener()
    async with scene(heard) as (_, worker, session):
        number = session.number
        call = pb.FunctionCallDelta(response_id="resp_1", call_id="call_1", name="weather", arguments_delta="{}")
        await worker.send(
            pb.SessionOutput(session=number, text=pb.TextDelta(response_id="resp_1", delta="written")),
            pb.SessionOutput(session=number, transcript=pb.TranscriptDelta(delta="spoken", audio_start_us=60_000)),
            pb.SessionOutput(session=number, function_call=call),
            pb.SessionOutput(session=number, error=pb.SessionError(code="hiccup", message="It goes on.")),
            pb.SessionOutput(session=number, end=pb.SessionEnd()),
        )
        await until(lambda: heard.ends == 1)
        assert heard.texts == ["written"]
        assert heard.transcripts == [("spoken", 60_000)]
        assert [each.WhichOneof("output") for each in heard.messages] == ["function_call", "error"]
        assert heard.lost == []


async def test_a_fatal_error_is_delivered_and_ends_only_its_session() -> None:
    heard, neighbour = RecordingListener(), RecordingListener()
    async with scene(heard) as (pool, worker, session):
        accepting = asyncio.create_task(worker.accept_next(1000, opened_before=1))
        other = await open_session(pool, neighbour)
        await accepting
        error = pb.SessionError(family=pb.SessionError.FAMILY_WORKER, code="oom", message="Out of memory.", fatal=True)
        await worker.send(pb.SessionOutput(session=session.number, error=error), frame(other.number))
        await until(lambda: bool(neighbour.frames))
        assert [each.error.code for each in heard.messages] == ["oom"]
        assert heard.lost == [LostReason.SESSION_ERROR]
        assert not session.is_open
        assert other.is_open


async def test_a_fault_in_one_listener_costs_only_its_own_session() -> None:
    class Faulty(RecordingListener):
        def worker_audio(self, frame: pb.AudioFrame) -> None:
            raise LookupError("a fault of this process")

    heard, neighbour = Faulty(), RecordingListener()
    async with scene(heard) as (pool, worker, session):
        accepting = asyncio.create_task(worker.accept_next(1000, opened_before=1))
        other = await open_session(pool, neighbour)
        await accepting
        await worker.send(frame(session.number), frame(other.number))
        await until(lambda: bool(neighbour.frames))
        assert heard.lost == [LostReason.LISTENER_FAILED]
        await until(lambda: [each.session for each in worker.of_kind("close")] == [session.number])


@pytest.mark.parametrize(
    "greeting", [hello("echo", major=2), pb.WorkerHello(worker="empty")], ids=["newer-major", "empty-hello"]
)
async def test_a_worker_of_another_protocol_gets_no_session(greeting: pb.WorkerHello) -> None:
    async with hand_worker(greeting) as (worker, address), pool_of([address], ready=0) as pool:
        await until(lambda: worker.streams >= 2)
        assert pool.counters.connect_failures >= 1
        assert pool.models() == {}
        with pytest.raises(NoCapacity):
            await open_session(pool, RecordingListener())


async def test_a_model_without_formats_is_not_offered() -> None:
    greeting = hello("echo")
    greeting.models.append(pb.Model(name="broken"))
    async with hand_worker(greeting) as (_, address), pool_of([address]) as pool:
        assert list(pool.models()) == ["echo"]


async def test_a_second_hello_ends_the_stream() -> None:
    heard = RecordingListener()
    async with scene(heard) as (pool, worker, _):
        await worker.write(pb.ConnectResponse(hello=hello("echo")))
        await until(lambda: heard.lost == [LostReason.PROTOCOL_ERROR])
        await until(lambda: pool.ready_workers == 1)
        assert worker.streams == 2


async def test_a_worker_that_heeds_no_credit_at_all_loses_the_session() -> None:
    heard, neighbour = RecordingListener(), RecordingListener()
    async with scene(heard, WorkerLinkSettings(output_credit_ms=200)) as (pool, worker, session):
        accepting = asyncio.create_task(worker.accept_next(1000, opened_before=1))
        other = await open_session(pool, neighbour)
        await accepting
        await worker.send(*(frame(session.number) for _ in range(600)), frame(other.number))
        await until(lambda: bool(neighbour.frames))
        assert heard.lost == [LostReason.FLOODED]
        assert len(heard.frames) == 10
        assert other.is_open


async def test_a_stream_of_nothing_but_nonsense_is_given_up() -> None:
    heard = RecordingListener()
    async with scene(heard) as (pool, worker, session):
        nonsense = [pb.SessionOutput(session=session.number + 1)] * 10_000
        for _ in range(MAX_USELESS // len(nonsense) + 1):
            await worker.send(*nonsense)
        await until(lambda: bool(heard.lost))
        assert heard.lost == [LostReason.FLOODED]
        assert pool.counters.streams_lost[LostReason.FLOODED] == 1
