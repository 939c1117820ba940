"""The cascade bridge on a real engine: llama.cpp's server, with a model that is tiny and talks at random."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_worker import ServeOptions
from offhook_worker.bridge.cascade import CascadeBridge
from offhook_worker.bridge.settings import CascadeSettings, ChatServer

from tests.support.bridge_scene import TEXT_ONLY, bridged
from tests.support.llama_server import LlamaServer, llama_server
from tests.support.openai_server import openai_server
from tests.support.worker_scene import serving, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Show = Callable[[str], None]

TELL = "Tell me something about the old maps on the table."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def llama(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LlamaServer]:
    async with llama_server(tmp_path_factory.mktemp("llama")) as server:
        yield server


def chat_with(llama: LlamaServer, voice: str = "http://127.0.0.1:9/v1") -> CascadeSettings:
    elsewhere = {"url": voice, "metrics_url": "off"}
    return CascadeSettings.model_validate(
        {"chat": {"url": llama.url, "temperature": 0.8}, "transcription": elsewhere, "speech": elsewhere}
    )


def limited(tokens: int, **config: object) -> pb.SessionConfig:
    return pb.SessionConfig(output_modalities=[pb.MODALITY_TEXT], max_output_tokens=tokens, **config)  # type: ignore[arg-type]


async def test_it_answers_in_sentences_and_counts_its_tokens(llama: LlamaServer) -> None:
    async with bridged(chat_with(llama), limited(60)) as caller:
        answered = await caller.ask(TELL)
    assert answered.done.status == pb.ResponseDone.STATUS_INCOMPLETE_MAX_TOKENS
    assert answered.done.usage.output_text_tokens == 60
    assert answered.done.usage.input_text_tokens > len(TELL) / 2
    assert len(answered.text.split()) > 40


async def test_the_second_turn_finds_the_first_in_the_prompt_cache(llama: LlamaServer, show: Show) -> None:
    async with bridged(chat_with(llama), limited(20, instructions="You are on the telephone. " * 20)) as caller:
        first = await caller.ask(TELL)
        second = await caller.ask("And then?")
    before, read = first.done.usage.input_text_tokens, second.done.usage.input_text_tokens
    cached = second.done.usage.input_cached_tokens
    show(
        f"llama.cpp, second turn: {cached} of {read} prompt tokens from its cache, {before} of them the first prompt's"
    )
    assert before > 400
    assert cached >= before - 16


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What the garbage collector would find some time later must have been closed before."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
async def test_barge_in_frees_the_slot_every_time(llama: LlamaServer, show: Show) -> None:
    took_ms = []
    async with openai_server() as voice, bridged(chat_with(llama, voice.url)) as caller:
        for _ in range(10):
            before = await llama.metric("tokens_predicted_total")
            await caller.type(TELL)
            response_id = await caller.request()
            await until(lambda response_id=response_id: bool(caller.so_far(response_id).frames))  # type: ignore[misc]
            await llama.until_metric("requests_processing", 1)
            reason = pb.Interruption.REASON_TURN_DETECTED
            interrupted_at = time.monotonic()
            await caller.send(interruption=pb.Interruption(response_id=response_id, reason=reason))
            await llama.until_metric("requests_processing", 0)
            took_ms.append((time.monotonic() - interrupted_at) * 1000)
            assert (await caller.whole(response_id)).done.status == pb.ResponseDone.STATUS_CANCELLED
            # An answer that nobody stops is written up to its limit.
            written = await llama.metric("tokens_predicted_total") - before
            assert written < ChatServer(url=llama.url).max_output_tokens
    show(f"llama.cpp, interruption to free slot: p50 {sorted(took_ms)[5]:.0f} ms, worst of 10 {max(took_ms):.0f} ms")


async def test_its_slots_and_its_queue_are_the_load_that_is_reported(llama: LlamaServer) -> None:
    worker = CascadeBridge(chat_with(llama), Path("/nonexistent"))
    async with serving(worker, ServeOptions(max_sessions=50)) as (server, _), asyncio.TaskGroup() as group:
        await until(lambda: worker.load().utilization == 0)
        answers = [group.create_task(_talk(llama))]
        await until(lambda: 0 < worker.load().utilization < 1)
        assert worker.load().utilization == pytest.approx(0.5)
        answers += [group.create_task(_talk(llama)) for _ in range(3)]
        await until(lambda: worker.load().is_full)
        report = server.load_report()
        await until(lambda: server.load_report().max_sessions == 0)
        for answer in answers:
            answer.cancel()
        await until(lambda: not worker.load().is_full and server.load_report().max_sessions == 50)
    assert report.utilization == 1.0


async def _talk(llama: LlamaServer) -> None:
    """An answer that somebody else has the engine write, until it is cancelled."""
    async with bridged(chat_with(llama), TEXT_ONLY) as caller:
        await caller.ask(TELL)


async def test_a_request_that_the_engine_refuses_fails_the_answer_alone(llama: LlamaServer) -> None:
    async with bridged(chat_with(llama), limited(5)) as caller:
        await caller.type("again and " * 10_000)
        assert (await caller.answer()).done.error.code == "upstream_refused"
        fresh = await caller.answer(replace_history=True, input=[])
        assert fresh.done.status in {pb.ResponseDone.STATUS_INCOMPLETE_MAX_TOKENS, pb.ResponseDone.STATUS_FAILED}


async def test_an_engine_that_dies_in_the_middle_is_told(tmp_path: Path) -> None:
    async with llama_server(tmp_path) as llama, bridged(chat_with(llama), TEXT_ONLY) as caller:
        await caller.type(TELL)
        response_id = await caller.request()
        await until(lambda: bool(caller.so_far(response_id).text))
        llama.process.kill()
        answered = await caller.whole(response_id)
    assert answered.done.error.code == "upstream_broken"
    assert answered.text
