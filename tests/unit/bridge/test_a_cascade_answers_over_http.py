"""A call through the cascade bridge: recognition, language model and voice at servers written from the protocols."""

import asyncio
import io
import json
import wave

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.bridge_scene import NOISE, TEXT_ONLY, TRANSCRIBED, bridged, remote
from tests.support.openai_server import SAMPLE_RATE_HZ, ChatReply, event, openai_server
from tests.support.worker_scene import until

WEATHER = pb.Tool(name="weather", description="Weather in a city", parameters_json='{"type": "object"}')


async def test_a_spoken_question_is_written_down_answered_and_spoken() -> None:
    async with openai_server() as server, bridged(remote(server.url), TRANSCRIBED) as caller:
        usage = {"prompt_tokens": 30, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 16}}
        server.replies.append(ChatReply(("It is ", "ten. ", "Anything else?"), usage=usage))
        item_id = await caller.say(NOISE)
        answered = await caller.answer()
        await until(lambda: caller.transcription(item_id) is not None)
        transcription = caller.transcription(item_id)
    assert transcription is not None
    assert transcription.text == "What time is it?"
    assert server.chat()["messages"] == [{"role": "user", "content": "What time is it?"}]
    assert [each["input"] for each in server.spoken] == ["It is ten.", "Anything else?"]
    assert answered.transcript == "It is ten. Anything else?"
    expected_s = sum(len(each["input"]) for each in server.spoken) * server.speech_seconds_per_character
    assert len(answered.pcm) / (2 * SAMPLE_RATE_HZ) == pytest.approx(expected_s, abs=0.001)
    assert answered.done.usage.input_text_tokens == 30
    assert answered.done.usage.input_cached_tokens == 16
    assert answered.done.usage.output_text_tokens == 6
    assert set(answered.done.stage_latency_ms) == {"recognition", "model", "speech"}
    with wave.open(io.BytesIO(server.forms[-1]["file"])) as recording:
        assert (recording.getframerate(), recording.getnchannels()) == (16_000, 1)


@pytest.mark.parametrize(
    "stream",
    [
        event({"type": "transcript.text.delta", "delta": "Hello"})
        + event({"type": "transcript.text.done", "text": "Hello there"}),
        event({"object": "transcription.chunk", "choices": [{"delta": {"content": "Hello "}}]})
        + event({"object": "transcription.chunk", "choices": [{"delta": {"content": "there"}}]})
        + b"data: [DONE]\n\n",
    ],
    ids=["openai", "vllm"],
)
async def test_a_transcript_may_stream(stream: bytes) -> None:
    async with openai_server() as server, bridged(remote(server.url), TRANSCRIBED) as caller:
        server.transcripts.extend([stream] * 9)
        item_id = await caller.say(NOISE)
        await until(lambda: caller.transcription(item_id) is not None)
        transcription = caller.transcription(item_id)
    assert transcription is not None
    assert transcription.text == "Hello there"


async def test_speech_begins_while_the_model_still_writes() -> None:
    reply = ChatReply(("First sentence. ", "Second."), hold_after=2)
    async with openai_server() as server, bridged(remote(server.url)) as caller:
        server.replies.append(reply)
        await caller.type("Go on.")
        response_id = await caller.request()
        await until(lambda: bool(caller.so_far(response_id).frames))
        assert caller.done(response_id) is None
        reply.go.set()
        assert (await caller.whole(response_id)).transcript == "First sentence. Second."


async def test_barge_in_closes_the_engines_connection_and_what_was_heard_is_remembered() -> None:
    async with openai_server() as server, bridged(remote(server.url)) as caller:
        server.replies.append(ChatReply(("One two three four. ", "Never said."), hold_after=2))
        await caller.type("Count.")
        response_id = await caller.request()
        await until(lambda: len(caller.so_far(response_id).frames) >= 60)
        await caller.send(
            interruption=pb.Interruption(
                response_id=response_id, reason=pb.Interruption.REASON_TURN_DETECTED, played_us=400_000
            )
        )
        await until(lambda: server.gone == 1)
        assert (await caller.whole(response_id)).done.status == pb.ResponseDone.STATUS_CANCELLED
        await caller.ask("And?")
    # Six letters at fifteen a second.
    assert server.chat()["messages"][1] == {"role": "assistant", "content": "One two"}


async def test_a_function_is_called_and_its_result_is_answered() -> None:
    config = pb.SessionConfig(instructions="Be brief.", tools=[WEATHER])
    async with openai_server() as server, bridged(remote(server.url), config) as caller:
        server.replies.append(ChatReply((), [("weather", ('{"city": ', '"Rome"}'))], finish="tool_calls"))
        called = await caller.ask("Weather in Rome?")
        assert [(call.name, call.arguments_delta) for call in called.calls] == [("weather", '{"city": "Rome"}')]
        result = pb.ToolResult(item_id="r", call_id=called.calls[0].call_id, output='{"sky": "blue"}')
        await caller.send(tool_result=result)
        server.replies.append(ChatReply(("Blue sky.",)))
        assert (await caller.answer()).transcript == "Blue sky."
    first, second = server.chat(0), server.chat(1)
    assert first["tools"] == second["tools"]
    assert json.dumps(second["messages"]).startswith(json.dumps(first["messages"]).removesuffix("]"))
    assert second["messages"][-1]["role"] == "tool"


async def test_what_the_caller_asks_of_the_model_reaches_it() -> None:
    config = pb.SessionConfig(temperature=0.5, max_output_tokens=50, voice="nova", speed=1.25)
    async with openai_server() as server:
        settings = remote(server.url, instructions="On the telephone.", extra={"top_k": 5})
        async with bridged(settings, config) as caller:
            server.replies.append(ChatReply(("One.",), finish="length"))
            answered = await caller.ask("Hi")
    body = server.chat()
    assert (body["temperature"], body["max_tokens"], body["top_k"], body["model"]) == (0.5, 50, 5, "tiny-model")
    assert body["messages"][0] == {"role": "system", "content": "On the telephone."}
    assert answered.done.status == pb.ResponseDone.STATUS_INCOMPLETE_MAX_TOKENS
    spoken = server.spoken[0]
    assert (spoken["voice"], spoken["speed"], spoken["response_format"]) == ("nova", 1.25, "pcm")


async def test_a_typed_question_may_be_answered_in_writing() -> None:
    async with openai_server() as server, bridged(remote(server.url), TEXT_ONLY) as caller:
        answered = await caller.ask("Hi")
    assert answered.text == "Hello. How are you?"
    assert not answered.frames
    assert not server.spoken


async def test_markup_is_shown_and_not_read_out() -> None:
    async with openai_server() as server, bridged(remote(server.url)) as caller:
        server.replies.append(ChatReply(("**Two** `x`.",)))
        answered = await caller.ask("Hi")
    assert answered.transcript == "**Two** `x`."
    assert server.spoken[0]["input"] == "Two x."


async def test_connections_are_used_again() -> None:
    async with openai_server() as server, bridged(remote(server.url), TEXT_ONLY) as caller:
        for _ in range(5):
            await caller.ask("Hi")
    assert len(server.chats) == 5
    assert len(server.peers) == 1


async def test_the_caller_that_hangs_up_frees_the_engine() -> None:
    async with openai_server() as server, bridged(remote(server.url)) as caller:
        server.replies.append(ChatReply(hold_after=1))
        await caller.type("Hi")
        await caller.request()
        await server.until_chats(1)
        await caller.send(close=pb.SessionClose(reason=pb.SessionClose.REASON_CLIENT_HANGUP))
        await until(lambda: server.gone == 1)


async def test_many_calls_share_the_engine() -> None:
    async with openai_server() as server, bridged(remote(server.url, connections=4), TEXT_ONLY) as caller:
        for _ in range(8):
            server.replies.append(ChatReply(("Yes.",)))
        await caller.type("Hi")
        requests = [await caller.request(out_of_band=True) for _ in range(8)]
        answers = await asyncio.gather(*(caller.whole(each) for each in requests))
    assert [each.text for each in answers] == ["Yes."] * 8
    assert len(server.peers) <= 4
