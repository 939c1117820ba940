"""Which worker gets a call, and what the caller is told when none does."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_worker import Event, Load, Model, Output, Reject, RejectReason, ServeOptions, Session, VoiceWorker
from offhook_worker.echo import EchoWorker

from tests.support.worker_scene import (
    OPUS,
    RecordingListener,
    hand_worker,
    hello,
    open_session,
    pool_of,
    serving,
    until,
    worker_process,
)
from transceiver.worker_link import (
    NoCapacity,
    NoSuchModel,
    WorkerLinkSettings,
    WorkerPool,
    WorkerRejected,
)
from transceiver.worker_link.placement import STALE_S, choose, fresh, load_score, newness

PCMA = pb.AudioFormat(codec=pb.CODEC_PCMA, sample_rate_hz=8000, channels=1)
FLAC_LIKE = pb.AudioFormat(codec=pb.CODEC_PCM_S16LE, sample_rate_hz=96_000, channels=1)


class Refusing(VoiceWorker):
    """Refuses every session, for a reason of the test's choice."""

    models = (Model("picky"),)

    def __init__(self, reason: RejectReason) -> None:
        self.reason = reason
        self.asked = 0

    async def prepare(self, session: Session) -> None:
        self.asked += 1
        raise Reject("voice 'nobody' is unknown", self.reason)

    async def on_session(self, session: Session) -> AsyncIterator[Output]:
        event: Event
        async for event in session:
            raise AssertionError(f"a refused session got {event}")
        return
        yield


class BusyEcho(EchoWorker):
    """Says that half of its GPU is taken."""

    def load(self) -> Load:
        return Load(utilization=0.5)


async def test_models_are_the_union_of_what_workers_offer() -> None:
    async with (
        serving(EchoWorker(), ServeOptions(max_sessions=3)) as (_, first),
        serving(EchoWorker(), ServeOptions(max_sessions=5)) as (_, second),
        serving(Refusing(RejectReason.INVALID_CONFIG)) as (_, third),
        pool_of([first, second, third]) as pool,
    ):
        models = pool.models()
        assert sorted(models) == ["echo", "picky"]
        assert (models["echo"].workers, models["echo"].free_sessions) == (2, 8)
        assert models["echo"].input_formats[0] == OPUS
        await open_session(pool, RecordingListener())
        assert pool.models()["echo"].free_sessions == 7


async def test_every_seat_is_used_before_a_call_is_refused() -> None:
    async with (
        serving(EchoWorker(), ServeOptions(max_sessions=2)) as (_, first),
        serving(EchoWorker(), ServeOptions(max_sessions=3)) as (_, second),
        pool_of([first, second]) as pool,
    ):
        sessions = [await open_session(pool, RecordingListener()) for _ in range(5)]
        with pytest.raises(NoCapacity, match="echo"):
            await open_session(pool, RecordingListener())
        sessions[0].close(pb.SessionClose.REASON_CLIENT_HANGUP)
        await until(lambda: pool.models()["echo"].free_sessions == 1)
        await open_session(pool, RecordingListener())


async def test_two_transceivers_cannot_overfill_a_worker() -> None:
    async with (
        serving(EchoWorker(), ServeOptions(max_sessions=3)) as (server, address),
        pool_of([address]) as one,
        pool_of([address]) as other,
    ):
        pools = [one, other] * 4
        attempts = await asyncio.gather(
            *(open_session(pool, RecordingListener()) for pool in pools), return_exceptions=True
        )
        assert sum(isinstance(each, NoCapacity) for each in attempts) == 5
        assert server.load_report().sessions == 3


async def test_an_unknown_model_is_told_from_a_missing_worker(tmp_path: Path) -> None:
    async with worker_process(tmp_path) as worker, pool_of([worker.address]) as pool:
        with pytest.raises(NoSuchModel, match="gpt-imaginary"):
            await open_session(pool, RecordingListener(), model="gpt-imaginary")
        await worker.kill()
        await until(lambda: pool.ready_workers == 0)
        with pytest.raises(NoCapacity):
            await open_session(pool, RecordingListener(), model="echo")


async def test_without_any_worker_there_is_no_capacity(tmp_path: Path) -> None:
    async with pool_of([f"unix:{tmp_path}/nobody.sock"], ready=0) as pool:
        with pytest.raises(NoCapacity):
            await open_session(pool, RecordingListener())


async def test_a_wrong_target_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        await WorkerPool(["nowhere"], "transceiver-under-test").follow()


async def test_a_final_refusal_reaches_the_caller_with_its_reason() -> None:
    worker = Refusing(RejectReason.INVALID_CONFIG)
    async with serving(worker) as (_, first), serving(worker) as (_, second), pool_of([first, second]) as pool:
        with pytest.raises(WorkerRejected, match="nobody") as refusal:
            await open_session(pool, RecordingListener(), model="picky")
        assert refusal.value.reason == pb.SessionReject.REASON_INVALID_CONFIG
        assert worker.asked == 1


async def test_another_worker_is_asked_when_one_declines() -> None:
    worker = Refusing(RejectReason.AT_CAPACITY)
    async with serving(worker) as (_, first), serving(worker) as (_, second), pool_of([first, second]) as pool:
        with pytest.raises(NoCapacity, match="nobody"):
            await open_session(pool, RecordingListener(), model="picky")
        assert worker.asked == 2


async def test_a_silent_worker_is_passed_over_in_favour_of_another() -> None:
    settings = WorkerLinkSettings(accept_timeout_s=0.2)
    async with (
        hand_worker(hello("echo")) as (silent, first),
        serving(BusyEcho()) as (_, second),
        pool_of([first, second], settings) as pool,
    ):
        session = await open_session(pool, RecordingListener())
        assert session.is_open
        # The silent worker looked idle, so it was asked first; and was told that nobody waits any more.
        await until(lambda: bool(silent.of_kind("close")))
        assert len(silent.of_kind("open")) == 1


async def test_a_caller_who_leaves_while_waiting_leaves_no_session_behind() -> None:
    async with hand_worker(hello("echo")) as (worker, address), pool_of([address]) as pool:
        opening = asyncio.create_task(open_session(pool, RecordingListener()))
        await until(lambda: bool(worker.of_kind("open")))
        opening.cancel()
        await until(lambda: bool(worker.of_kind("close")))
        assert worker.of_kind("close")[0].close.reason == pb.SessionClose.REASON_CLIENT_HANGUP


async def test_formats_are_matched_and_the_callers_codec_is_kept() -> None:
    async with serving(EchoWorker()) as (_, address), pool_of([address]) as pool:
        session = await pool.open(
            model="echo",
            call_id="rtc_1",
            input_format=PCMA,
            config=pb.SessionConfig(),
            listener=RecordingListener(),
        )
        assert (session.input_format, session.output_format) == (PCMA, PCMA)
        with pytest.raises(WorkerRejected) as refusal:
            await pool.open(
                model="echo",
                call_id="rtc_2",
                input_format=FLAC_LIKE,
                config=pb.SessionConfig(),
                listener=RecordingListener(),
            )
        assert refusal.value.reason == pb.SessionReject.REASON_UNSUPPORTED_FORMAT


async def test_a_draining_worker_keeps_its_calls_and_gets_no_new_one(tmp_path: Path) -> None:
    async with worker_process(tmp_path, "echo", "--drain", "20") as worker, pool_of([worker.address]) as pool:
        heard = RecordingListener()
        session = await open_session(pool, heard)
        worker.process.terminate()
        await until(lambda: pool.ready_workers == 0)
        with pytest.raises(NoCapacity):
            await open_session(pool, RecordingListener())
        session.send_audio(b"still here", 0, 20_000)
        await until(lambda: len(heard.frames) == 1)
        session.close(pb.SessionClose.REASON_CLIENT_HANGUP)
        assert await worker.process.wait() == 0
        assert heard.lost == []


async def test_calls_open_at_the_drain_deadline_are_told(tmp_path: Path) -> None:
    async with worker_process(tmp_path, "echo", "--drain", "0.1") as worker, pool_of([worker.address]) as pool:
        heard = RecordingListener()
        await open_session(pool, heard)
        worker.process.terminate()
        await until(lambda: bool(heard.lost))
        assert [each.error.code for each in heard.messages] == ["worker_draining"]
        assert await worker.process.wait() == 0


def report(sessions: int, *, utilization: float = 0.0, real_time_factor: float = 0.0) -> pb.LoadReport:
    return pb.LoadReport(sessions=sessions, max_sessions=10, utilization=utilization, real_time_factor=real_time_factor)


def test_load_is_the_fullest_dimension_and_lag_counts_on_top() -> None:
    assert load_score(report(5), own_sessions=0) == pytest.approx(0.5)
    assert load_score(report(0), own_sessions=7) == pytest.approx(0.7)
    assert load_score(report(5, utilization=0.9), own_sessions=0) == pytest.approx(0.9)
    assert load_score(report(5, real_time_factor=1.5), own_sessions=0) == pytest.approx(1.0)


def test_two_choices_spread_calls_over_all_workers_but_the_fullest() -> None:
    rng = random.Random(1)
    chosen = [choose([("idle", 0.1), ("half", 0.5), ("full", 0.9)], rng) for _ in range(300)]
    assert chosen.count("full") == 0
    assert chosen.count("idle") > chosen.count("half") > 50
    assert choose([("only", 1.0)], rng) == "only"


def test_what_a_worker_said_long_ago_is_not_believed() -> None:
    load = pb.LoadReport(sessions=7, max_sessions=8, utilization=0.9, real_time_factor=2.0)
    assert fresh(load, STALE_S) is load
    assert fresh(load, STALE_S + 0.1) == pb.LoadReport(max_sessions=8)
    assert load_score(fresh(load, STALE_S + 0.1), own_sessions=2) == 0.25


def test_a_worker_that_has_just_come_gets_fewer_calls_until_it_is_warm() -> None:
    ages = (0.0, 2.5, 5.0, 60.0)
    assert [newness(age, 5.0) for age in ages] == [1.0, 0.5, 0.0, 0.0]
    assert newness(0.0, 0.0) == 0.0
