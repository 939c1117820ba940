"""Questions by voice, over a real fabric of processes, answered by the local agent's voice."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.agent_models import need_models
from tests.support.fabric import Fabric, running_fabric

need_models()
pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from tests.support.agent_scene import heard, spoken, words  # noqa: E402 - needs the models
from tests.support.spoken_caller import SpokenCaller, spoken_call  # noqa: E402 - needs the native module

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TIMES, WEATHER_IN_PARIS, STORY, PLUS = QUESTIONS = (
    "What is twelve times seven?",
    "What is the weather in Paris?",
    "Tell me a story.",
    "What is two plus two?",
)


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "1", "--worker", "agent") as running:
        # What is said is made before anybody calls: it takes a second, in which no microphone would work.
        for question in QUESTIONS:
            spoken(question)
        yield running


async def ask(caller: SpokenCaller, question: str) -> tuple[float, str]:
    """Asks by voice; when the question ended, and the words of the answer that was given."""
    ended_at = await caller.say(spoken(question))
    response = await caller.answer()
    assert response["status"] == "completed", response
    return ended_at, response["output"][0]["content"][0]["transcript"]


async def test_a_question_by_voice_is_answered_by_voice(fabric: Fabric, show: Callable[[str], None]) -> None:
    async with spoken_call(fabric) as caller:
        await caller.configure(audio={"input": {"transcription": {"model": "default"}}})
        ended_at, answer = await ask(caller, TIMES)
        await caller.heard_out()
        understood = heard(caller.samples_since(ended_at))
        assert "84" in answer
        assert "84" in understood or "eighty four" in understood.lower().replace("-", " ")
        first = caller.first_sound_since(ended_at)
        assert first is not None
        show(f"end of speech to first sound: {(first - ended_at) * 1000:.0f} ms; heard: {understood}")
        done = "conversation.item.input_audio_transcription.completed"
        (transcription,) = [event for event in caller.events.events if event["type"] == done]
        assert words(transcription["transcript"])[-1] in {"seven", "7"}


async def test_an_answer_by_way_of_a_tool(fabric: Fabric) -> None:
    async with spoken_call(fabric) as caller:
        await caller.configure(tools=[WEATHER])
        await caller.say(spoken(WEATHER_IN_PARIS))
        called = await caller.events.event("response.function_call_arguments.done")
        assert called["name"] == "get_weather"
        assert "paris" in json.loads(called["arguments"])["city"].lower()
        await caller.events.event("response.done")
        output = json.dumps({"city": "Paris", "temperature_c": 21, "sky": "sunny"})
        item = {"type": "function_call_output", "call_id": called["call_id"], "output": output}
        caller.events.send("conversation.item.create", item=item)
        asked_at = time.monotonic()
        caller.events.send("response.create")
        response = await caller.answer()
        answer = response["output"][0]["content"][0]["transcript"]
        assert "21" in answer
        await caller.heard_out()
        understood = heard(caller.samples_since(asked_at)).lower()
        assert "21" in understood or "twenty one" in understood.replace("-", " ")
        assert "paris" in understood


async def test_an_interrupted_answer_stops_and_the_next_question_is_answered(
    fabric: Fabric, show: Callable[[str], None]
) -> None:
    async with spoken_call(fabric) as caller:
        await caller.say(spoken(STORY))
        await caller.events.event("output_audio_buffer.started", within_s=30.0)
        await asyncio.sleep(1.5)
        question = spoken(PLUS)
        begins_at = time.monotonic() + 0.2
        asked = asyncio.create_task(caller.say(question))
        started = await caller.events.event("input_audio_buffer.speech_started")
        cleared = await caller.events.event("output_audio_buffer.cleared")
        truncated = await caller.events.event("conversation.item.truncated")
        cleared_at = time.monotonic()
        ended_at = await asked
        silent_at = max((at for at, _, _ in caller.heard if at < ended_at), default=0.0)
        show(
            f"interruption: silence {(silent_at - begins_at) * 1000:.0f} ms after the first sound, "
            f"heard of the answer: {truncated['audio_end_ms']} ms"
        )
        assert started["item_id"]
        assert cleared["response_id"]
        assert silent_at <= cleared_at + 0.1, "packets of the answer came after it was cleared"
        assert 1000 <= truncated["audio_end_ms"] <= 4000
        caller.events.send("conversation.item.retrieve", item_id=truncated["item_id"])
        item = (await caller.events.event("conversation.item.retrieved"))["item"]
        response = await caller.answer()
        while response["status"] != "completed":
            response = await caller.answer()
        assert "4" in response["output"][0]["content"][0]["transcript"]
        await caller.heard_out()
        understood = heard(caller.samples_since(ended_at)).lower()
        assert "4" in understood or "four" in understood
        assert item["content"][0]["transcript"], "something of the story was heard"


async def test_a_typed_question_gets_a_written_answer(fabric: Fabric) -> None:
    async with spoken_call(fabric) as caller:
        await caller.configure(output_modalities=["text"])
        content = [{"type": "input_text", "text": "What is three times three?"}]
        caller.events.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        caller.events.send("response.create")
        response = await caller.answer()
        assert "9" in response["output"][0]["content"][0]["text"]
