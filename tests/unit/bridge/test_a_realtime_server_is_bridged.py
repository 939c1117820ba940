"""The realtime bridge on a real server: a whole transceiver of ours, whose WebSocket it calls as any client would."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_worker import Role
from offhook_worker.bridge.settings import RealtimeServer

from tests.support.bridge_scene import TEXT_ONLY, TRANSCRIBED, realtime_bridged
from tests.support.http_scene import KEY
from tests.support.turn_caller import TurnCaller
from tests.support.upstream_worker import SECOND, Upstream
from tests.support.whole_transceiver import WholeTransceiver, config, whole_transceiver
from tests.support.worker_scene import serving, until

WEATHER = pb.Tool(name="weather", description="Weather in a city", parameters_json='{"type": "object"}')


@pytest.fixture
def model() -> Upstream:
    return Upstream()


@asynccontextmanager
async def upstream_of(model: Upstream, directory: Path) -> AsyncIterator[WholeTransceiver]:
    async with (
        serving(model) as (_, address),
        whole_transceiver(config(directory, workers=(address,)), directory) as transceiver,
    ):
        yield transceiver


def server_at(transceiver: WholeTransceiver, monkeypatch: pytest.MonkeyPatch, **given: Any) -> RealtimeServer:  # noqa: ANN401 - settings
    monkeypatch.setenv("UPSTREAM_KEY", KEY)
    return RealtimeServer(url=transceiver.http, model="upstream", api_key_env="UPSTREAM_KEY", **given)


@asynccontextmanager
async def call(
    model: Upstream, directory: Path, monkeypatch: pytest.MonkeyPatch, session: pb.SessionConfig | None = None
) -> AsyncIterator[TurnCaller]:
    async with (
        upstream_of(model, directory) as transceiver,
        realtime_bridged(server_at(transceiver, monkeypatch), session) as caller,
    ):
        yield caller


async def test_a_spoken_turn_is_heard_written_down_and_answered(
    model: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with call(model, tmp_path, monkeypatch, TRANSCRIBED) as caller:
        item_id = await caller.say(SECOND, silence_frames=25)
        answered = await caller.answer()
        await until(lambda: caller.transcription(item_id) is not None)
        transcription = caller.transcription(item_id)
    assert transcription is not None
    assert transcription.text == "1.5 seconds"
    audio = model.turns[0].audio
    assert audio is not None
    assert audio.pcm.startswith(SECOND)
    assert answered.transcript == "You said: 1.5 seconds."
    assert answered.pcm == SECOND * 2
    assert set(answered.done.stage_latency_ms) == {"model"}
    assert answered.done.status == pb.ResponseDone.STATUS_COMPLETED


async def test_two_turns_are_two_turns(model: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with call(model, tmp_path, monkeypatch) as caller:
        for seconds in (1, 2):
            await caller.say(SECOND * seconds)
            await caller.answer()
    lengths = [turn.audio.duration_s for turn in model.turns if turn.audio is not None]
    assert lengths == pytest.approx([1.2, 2.2], abs=0.01)
    assert [text for role, text in model.known if role is Role.USER] == ["1.2 seconds", "2.2 seconds"]


async def test_what_is_typed_is_answered_in_writing(
    model: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = pb.SessionConfig(instructions="Be kind.", output_modalities=[pb.MODALITY_TEXT], max_output_tokens=77)
    async with call(model, tmp_path, monkeypatch, session) as caller:
        await caller.type("Be brief.", pb.ROLE_SYSTEM)
        answered = await caller.ask("Hello")
    assert answered.text == "You said: Hello."
    assert not answered.frames
    assert model.known == [(Role.SYSTEM, "Be brief."), (Role.USER, "Hello")]
    assert (model.turns[0].config.instructions, model.turns[0].config.max_output_tokens) == ("Be kind.", 77)


async def test_a_function_is_called_and_its_result_is_answered(
    model: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = pb.SessionConfig(tools=[WEATHER], output_modalities=[pb.MODALITY_TEXT])
    async with call(model, tmp_path, monkeypatch, session) as caller:
        called = await caller.ask("Weather in Rome?")
        assert [(each.name, each.arguments_delta, each.done) for each in called.calls] == [
            ("weather", '{"city": "Rome"}', True)
        ]
        await caller.send(tool_result=pb.ToolResult(item_id="item_r", call_id=called.calls[0].call_id, output="sun"))
        assert (await caller.answer()).text == "It returned sun."


async def test_an_interruption_stops_the_server_and_it_knows_what_was_heard(
    model: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with call(model, tmp_path, monkeypatch) as caller:
        await caller.type("wait")
        response_id = await caller.request()
        await until(lambda: len(caller.so_far(response_id).frames) >= 40)
        reason = pb.Interruption.REASON_TURN_DETECTED
        await caller.send(interruption=pb.Interruption(response_id=response_id, reason=reason, played_us=400_000))
        await until(lambda: model.cancelled == 1)
        frames = len(caller.so_far(response_id).frames)
        await caller.ask("Go on")
        assert len(caller.so_far(response_id).frames) == frames
    assert (Role.ASSISTANT, "One two") in model.known


async def test_an_answer_out_of_band_is_no_part_of_the_conversation(
    model: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with call(model, tmp_path, monkeypatch, TEXT_ONLY) as caller:
        await caller.type("Hello")
        aside = pb.HistoryItem(
            item_id="item_x", message=pb.Message(role=pb.ROLE_USER, content=[pb.Content(text="Title?")])
        )
        answered = await caller.answer(out_of_band=True, replace_history=True, input=[aside])
        assert answered.text == "You said: Title?."
        assert (await caller.answer()).text == "You said: Hello."
    assert model.known == [(Role.USER, "Hello")]


async def test_a_call_that_moves_here_brings_its_conversation(
    model: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = [
        pb.HistoryItem(item_id="item_1", message=pb.Message(role=pb.ROLE_USER, content=[pb.Content(transcript="Hi")])),
        pb.HistoryItem(
            item_id="item_2", message=pb.Message(role=pb.ROLE_ASSISTANT, content=[pb.Content(transcript="Hello.")])
        ),
    ]
    async with (
        upstream_of(model, tmp_path) as transceiver,
        realtime_bridged(server_at(transceiver, monkeypatch), TEXT_ONLY, history) as caller,
    ):
        await caller.ask("And now?")
    assert model.known == [(Role.USER, "Hi"), (Role.ASSISTANT, "Hello."), (Role.USER, "And now?")]


async def test_edits_of_the_conversation_reach_the_server(
    model: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with call(model, tmp_path, monkeypatch, TEXT_ONLY) as caller:
        for text in ("One", "Two", "Three"):
            await caller.type(text)
        first = pb.HistoryItem(
            item_id="item_0", message=pb.Message(role=pb.ROLE_USER, content=[pb.Content(text="Zero")])
        )
        await caller.send(history_edit=pb.HistoryEdit(delete_item_id="item_1_2"))
        await caller.send(history_edit=pb.HistoryEdit(insert=pb.HistoryInsert(item=first)))
        await caller.answer()
    assert [text for _, text in model.known] == ["Zero", "One", "Three"]


async def test_a_server_that_goes_away_and_comes_back_knows_the_conversation(
    model: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(model) as (_, address):
        first = tmp_path / "first"
        first.mkdir()
        async with whole_transceiver(config(first, workers=(address,)), first) as transceiver:
            port = transceiver.http.rpartition(":")[2]
            server = server_at(transceiver, monkeypatch, reconnect_within_s=30)
            bridge = realtime_bridged(server, TEXT_ONLY)
            caller = await bridge.__aenter__()
            await caller.ask("Hello")
            await caller.type("wait")
            broken = await caller.request(config=pb.SessionConfig())
            await until(lambda: len(model.turns) == 2)
        try:
            answered = await caller.whole(broken)
            assert answered.done.error.code == "upstream_broken"
            second = tmp_path / "second"
            second.mkdir()
            again = config(second, workers=(address,), http_listen=f"127.0.0.1:{port}")
            async with whole_transceiver(again, second):
                assert (await caller.ask("Still there?")).text == "You said: Still there?."
        finally:
            await bridge.__aexit__(None, None, None)
    assert [text for role, text in model.known if role is Role.USER] == ["Hello", "wait", "Still there?"]
    assert (Role.ASSISTANT, "You said: Hello.") in model.known
