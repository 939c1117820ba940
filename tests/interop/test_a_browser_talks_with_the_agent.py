"""Stock Chromium on the demo page asks three questions by voice: one answer is interrupted, one comes by a tool."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.interop.browser import BrowserCall, CallEvents, missing_part, running_browser
from tests.interop.recording import AUDIBLE, SAMPLE_RATE, Recording, Samples
from tests.support.agent_models import need_models
from tests.support.fabric import running_fabric

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(120)]

STORY_TOLD_S = 2.0
LEAST_SILENCE_S = 0.35
"""Between the story that was cut off and the answer to what did it: longer than between two words of either."""
JITTER_BUFFER_S = 0.6
"""What the browser holds back of what it has received, at most: it plays on after the fabric has fallen silent."""
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def heard_out(events: CallEvents) -> None:
    """An answer has been played to its end."""
    await events.next("output_audio_buffer.stopped")
    await asyncio.sleep(JITTER_BUFFER_S)


async def calls_the_tool(call: BrowserCall, events: CallEvents) -> dict[str, Any]:
    """The arguments of a call, which is answered."""
    called = await events.next("response.function_call_arguments.done")
    output = json.dumps({"city": "Paris", "temperature_c": 21, "sky": "sunny"})
    item = {"type": "function_call_output", "call_id": called["call_id"], "output": output}
    await events.next("response.done")
    await call.send_event({"type": "conversation.item.create", "item": item})
    await call.send_event({"type": "response.create"})
    arguments: dict[str, Any] = json.loads(called["arguments"])
    return arguments


def audible(signal: Samples) -> Samples:
    """Where something is heard, in seconds."""
    found: Samples = np.flatnonzero(np.abs(signal) > AUDIBLE) / SAMPLE_RATE
    return found


def after(recording: Recording, at_s: float) -> Samples:
    """What was heard from then on."""
    return recording.heard[int(at_s * SAMPLE_RATE) :]


def silent_after(cut_off: Recording) -> float:
    """How long after the caller began to speak the answer was heard to stop, in seconds."""
    sound = audible(after(cut_off, float(audible(cut_off.said)[0])))
    silences = np.flatnonzero(np.diff(sound) > LEAST_SILENCE_S)
    assert len(silences), "the story went on while the caller spoke"
    return float(sound[silences[0]])


async def test_chromium_talks_with_the_agent(
    require: Callable[[str | None], None], show: Callable[[str], None]
) -> None:
    require(missing_part("chromium"))
    need_models()
    # Not above: they need the models.
    from tests.support.agent_scene import recogniser, resample, spoken  # noqa: PLC0415 - see the line above

    def understood(signal: Samples) -> str:
        return recogniser().transcribe(resample(signal.astype(np.float32), SAMPLE_RATE, 16_000)).lower()

    # What is said is made before anybody calls.
    times, story, stop, weather = map(
        spoken, ("What is twelve times seven?", "Tell me a story.", "Thank you.", "What is the weather in Paris?")
    )
    fabric_options = ("--relays", "1", "--transceivers", "1", "--workers", "1", "--worker", "agent")
    with running_fabric(*fabric_options) as fabric:
        async with running_browser("chromium") as browser:
            call = await browser.place_call(fabric.http, fabric.api_key, model="agent", scripted=True)
            status = await call.status()
            assert status.state == "connected", status
            await call.watch_events()
            events = CallEvents(call)
            await call.send_event({"type": "session.update", "session": {"type": "realtime", "tools": [WEATHER]}})
            await asyncio.sleep(1.0)

            async with call.recording() as first:
                await call.speak(times)
                await heard_out(events)
            async with call.recording() as told:
                await call.speak(story)
                await events.next("output_audio_buffer.started")
                await asyncio.sleep(STORY_TOLD_S)
            async with call.recording() as cut_off:
                saying = asyncio.create_task(call.speak(stop))
                cleared = await events.next("output_audio_buffer.cleared")
                truncated = await events.next("conversation.item.truncated")
                await saying
                await heard_out(events)
            async with call.recording() as last:
                await call.speak(weather)
                arguments = await calls_the_tool(call, events)
                await heard_out(events)
            await call.hang_up()

    asked_s = float(audible(first.said)[-1])
    answer = understood(after(first, asked_s))
    assert "84" in answer or "eighty four" in answer.replace("-", " "), answer
    assert np.mean(np.abs(told.heard[-SAMPLE_RATE:]) > AUDIBLE) > 0.1, "no story was told"

    assert cleared["response_id"]
    assert 1000 <= truncated["audio_end_ms"] <= 6000
    silent_s = silent_after(cut_off)
    assert silent_s < JITTER_BUFFER_S + 0.6

    assert "paris" in arguments["city"].lower()
    forecast = understood(after(last, float(audible(last.said)[-1])))
    assert "paris" in forecast, forecast
    assert "21" in forecast or "twenty one" in forecast.replace("-", " "), forecast
    waited_s = float(audible(after(first, asked_s))[0])
    show(
        f"chromium: question to sound {waited_s * 1000:.0f} ms, interruption to silence at the ear "
        f"{silent_s * 1000:.0f} ms; heard: {answer!r}, then {forecast!r}"
    )
