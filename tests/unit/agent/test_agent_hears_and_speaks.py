"""The voice agent over its own protocol: real speech in, its answers heard by a recogniser."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
import pytest_asyncio
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_worker import ServeOptions
from offhook_worker.agent.worker import VoiceAgent

from offhook.models.store import models_directory
from tests.support.agent_models import need_models
from tests.support.agent_scene import (
    SPEECH_TEXT,
    heard,
    real_speech,
    spoken,
    word_errors,
    words,
)
from tests.support.turn_caller import SILENCE, TurnCaller
from tests.support.worker_scene import HandTransceiver, hand_transceiver, serving, until

Show = Callable[[str], None]

WEATHER = pb.Tool(
    name="get_weather",
    description="Get the weather in a city",
    parameters_json=json.dumps(
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    ),
)
TRANSCRIBED = pb.SessionConfig(transcription=pb.Transcription(model="any"))
TEXT_ONLY = pb.SessionConfig(output_modalities=[pb.MODALITY_TEXT])


# One agent for all, as loading takes a second; so one event loop as well, on which its pools run.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def agent() -> VoiceAgent:
    need_models()
    return VoiceAgent(models_directory())


@pytest_asyncio.fixture(loop_scope="module")
async def transceiver(agent: VoiceAgent) -> AsyncIterator[HandTransceiver]:
    # Twenty calls by hand send no pings while they wait.
    options = ServeOptions(peer_timeout_s=120)
    async with serving(agent, options) as (_, address), hand_transceiver(address) as connected:
        yield connected


@pytest_asyncio.fixture(loop_scope="module")
async def caller(transceiver: HandTransceiver) -> TurnCaller:
    connected = TurnCaller(transceiver)
    await connected.open("agent", TRANSCRIBED)
    return connected


async def test_real_speech_is_written_down(caller: TurnCaller, show: Show) -> None:
    item_id = await caller.say(real_speech())
    await until(lambda: caller.transcription(item_id) is not None)
    transcription = caller.transcription(item_id)
    assert transcription is not None
    errors = word_errors(SPEECH_TEXT, transcription.text)
    show(f"real speech: {errors} of {len(words(SPEECH_TEXT))} words wrong: {transcription.text}")
    assert errors <= 3


async def test_words_show_while_the_caller_still_speaks(caller: TurnCaller) -> None:
    item_id = await caller.begin_turn(0)
    speech = real_speech()
    await caller.speak(speech[:96_000])
    partials = caller.transceiver
    for offset in range(96_000, len(speech), 32_000):
        # Each second of audio gets the time that it takes to be written down.
        await caller.speak(speech[offset : offset + 32_000])
        await asyncio.sleep(0.25)
    await until(lambda: bool(partials.of_kind("input_transcription")))
    early = "".join(each.input_transcription.delta for each in partials.of_kind("input_transcription"))
    assert word_errors(SPEECH_TEXT, early) < len(words(SPEECH_TEXT))
    await caller.speak(SILENCE * 10)
    await caller.commit(item_id, 0)
    await until(lambda: caller.transcription(item_id) is not None)
    final = caller.transcription(item_id)
    assert final is not None
    assert final.text.startswith(early)


async def test_a_spoken_question_gets_a_spoken_answer(caller: TurnCaller) -> None:
    item_id = await caller.say(spoken("What is twelve times seven?"))
    answered = await caller.answer()
    transcription = caller.transcription(item_id)
    assert transcription is not None
    assert words(transcription.text) in (words("What is twelve times seven"), words("What is 12 times 7"))
    assert answered.transcript == "12 times 7 is 84."
    understood = heard(answered.pcm)
    assert "84" in understood or "eighty four" in understood.lower().replace("-", " ")
    assert answered.done.status == pb.ResponseDone.STATUS_COMPLETED
    assert set(answered.done.stage_latency_ms) == {"recognition", "model", "speech"}
    usage = answered.done.usage
    assert usage.output_audio_seconds == pytest.approx(len(answered.pcm) / 48_000)
    assert usage.input_audio_seconds == pytest.approx(
        len(spoken("What is twelve times seven?")) / 32_000 + 0.2, abs=0.05
    )
    assert (usage.output_text_tokens, usage.input_text_tokens) == (5, 5)


async def test_what_the_agent_says_is_understood(caller: TurnCaller, show: Show) -> None:
    questions = ("What time is it?", "Who are you?", "Tell me a joke.", "What can you do?", "Thank you.")
    wrong = total = 0
    for question in questions:
        answered = await caller.ask(question)
        wrong += word_errors(answered.transcript, heard(answered.pcm))
        total += len(words(answered.transcript))
    show(f"the agent heard by a recogniser: {wrong} of {total} words wrong")
    assert wrong / total < 0.2


async def test_spelled_letters_are_told_apart(caller: TurnCaller, show: Show) -> None:
    answered = await caller.ask("Spell necessary.")
    letters = re.sub(r"[^a-z]", "", heard(answered.pcm).lower().replace("necessary", "", 1))
    show(f"letters of 'necessary' as heard: {letters}")
    assert sum(letter in letters for letter in "necesary") >= 5


async def test_words_are_timed_within_their_audio(caller: TurnCaller) -> None:
    answered = await caller.ask("Tell me a story.")
    starts = [word.audio_start_us for word in answered.words]
    assert starts == sorted(starts)
    assert starts[0] == 0
    assert starts[-1] < answered.frames[-1].media_time_us
    # A sentence begins exactly where the audio of the one before it ends.
    assert len(set(starts)) == len(starts)


async def test_a_function_is_called_and_its_result_spoken(transceiver: HandTransceiver) -> None:
    caller = TurnCaller(transceiver)
    await caller.open("agent", pb.SessionConfig(tools=[WEATHER]))
    await caller.say(spoken("What is the weather in Paris?"))
    (call,) = (await caller.answer()).calls
    assert (call.name, json.loads(call.arguments_delta)) == ("get_weather", {"city": "Paris"})
    output = json.dumps({"temperature": 21, "condition": "sunny"})
    await caller.send(tool_result=pb.ToolResult(item_id="out", call_id=call.call_id, output=output))
    answered = await caller.answer()
    assert answered.transcript == "In Paris it is sunny and 21 degrees."
    assert "paris" in words(heard(answered.pcm))


async def test_an_interruption_stops_the_story_and_only_what_was_heard_is_remembered(caller: TurnCaller) -> None:
    await caller.type("Tell me a story.")
    response_id = await caller.request()
    await until(lambda: len(caller.so_far(response_id).frames) > 100)
    await caller.send(interruption=pb.Interruption(response_id=response_id, played_us=1_500_000))
    stopped = await caller.whole(response_id)
    assert stopped.done.status == pb.ResponseDone.STATUS_CANCELLED
    repeated = await caller.ask("Say that again.")
    assert repeated.transcript
    assert stopped.transcript.startswith(repeated.transcript.rstrip("."))
    assert len(repeated.transcript) < len(stopped.transcript)


async def test_typed_text_is_answered_in_text(transceiver: HandTransceiver) -> None:
    caller = TurnCaller(transceiver)
    await caller.open("agent", TEXT_ONLY)
    answered = await caller.ask("Spell cat.")
    assert (answered.text, answered.frames) == ("Cat: C, A, T.", [])


async def test_a_limit_of_tokens_ends_an_answer_early(transceiver: HandTransceiver) -> None:
    caller = TurnCaller(transceiver)
    await caller.open("agent", pb.SessionConfig(output_modalities=[pb.MODALITY_TEXT], max_output_tokens=5))
    answered = await caller.ask("Tell me a story.")
    assert answered.text.split() == ["Once", "upon", "a", "time", "a"]
    assert answered.done.status == pb.ResponseDone.STATUS_INCOMPLETE_MAX_TOKENS


async def test_a_faster_voice_takes_less_time(caller: TurnCaller) -> None:
    usual = await caller.ask("What can you do?")
    await caller.type("What can you do?")
    fast = await caller.answer(config=pb.SessionConfig(speed=1.5))
    assert fast.transcript == usual.transcript
    assert len(fast.pcm) < len(usual.pcm) * 0.8


async def test_a_timer_speaks_when_it_is_due(transceiver: HandTransceiver) -> None:
    caller = TurnCaller(transceiver)
    await caller.open("agent", TEXT_ONLY)
    await caller.ask("Set a timer for one second.")
    await until(lambda: len(transceiver.of_kind("response_done")) == 2)
    assert transceiver.of_kind("text")[-1].text.delta == "Your timer for 1 second is up."


async def test_a_call_that_moved_here_goes_on_where_it_was(transceiver: HandTransceiver) -> None:
    caller = TurnCaller(transceiver)
    said = pb.Message(role=pb.ROLE_USER, content=[pb.Content(transcript="My name is Anna.")])
    await caller.open("agent", TEXT_ONLY, history=[pb.HistoryItem(item_id="old", message=said)])
    assert (await caller.ask("What is my name?")).text == "You said your name is Anna."


@pytest.mark.parametrize("kind", ["silence", "noise", "clicks", "odd", "nothing"])
async def test_what_is_no_speech_is_survived(caller: TurnCaller, kind: str) -> None:
    noise = np.random.default_rng(1).normal(0, 8000, 16_000).astype(np.int16).tobytes()
    pcm = {
        "silence": bytes(32_000),
        "noise": noise,
        "clicks": (b"\xff\x7f" + bytes(638)) * 50,
        "odd": b"\x01" * 639,
        "nothing": b"",
    }[kind]
    item_id = await caller.say(pcm, silence_frames=0)
    answered = await caller.answer()
    assert answered.done.status == pb.ResponseDone.STATUS_COMPLETED
    assert caller.transcription(item_id) is not None


async def test_a_long_monologue_is_written_down_in_pieces(caller: TurnCaller) -> None:
    speech = real_speech() + bytes(9600)
    item_id = await caller.say(speech * 5)
    await until(lambda: caller.transcription(item_id) is not None)
    transcription = caller.transcription(item_id)
    assert transcription is not None
    assert word_errors(" ".join([SPEECH_TEXT] * 5), transcription.text) <= 15


async def test_pushing_to_talk_needs_no_turn_events(caller: TurnCaller) -> None:
    await caller.speak(spoken("What is twelve times seven?"))
    await caller.turn(pb.TurnEvent.KIND_COMMITTED, "item_ptt", 0, caller.at_us)
    answered = await caller.answer()
    assert answered.transcript == "12 times 7 is 84."


@pytest.mark.timeout(120)
async def test_twenty_calls_at_once_are_all_answered(transceiver: HandTransceiver, show: Show) -> None:
    callers = [TurnCaller(transceiver, number, patience_s=90) for number in range(1, 21)]
    speech = spoken("What is two plus three?")

    async def converse(one: TurnCaller) -> str:
        await one.open("agent")
        await one.say(speech)
        return (await one.answer()).transcript

    began_at = time.monotonic()
    answers = await asyncio.gather(*map(converse, callers))
    took_s = time.monotonic() - began_at
    assert answers == ["2 plus 3 is 5."] * 20

    def reports() -> list[pb.LoadReport]:
        return [each.load for each in transceiver.responses if each.HasField("load")]

    await until(lambda: any(report.queue_delay_ms_p95 > 0 and report.real_time_factor > 0 for report in reports()))
    worst = max(report.queue_delay_ms_p95 for report in reports())
    busiest = max(report.utilization for report in reports())
    show(f"20 calls at once took {took_s:.1f} s; reported: utilization {busiest:.2f}, queue delay p95 {worst:.0f} ms")
    assert 0.1 < busiest <= 1
