"""openai-python's HTTP resources, unmodified: an ephemeral key, a call in both forms, its control from beside."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI, AuthenticationError, NotFoundError

from tests.sdk.stage import QUESTIONS, Stage
from tests.support.live_caller import LiveCaller
from tests.support.openai_events import check_server_event
from tests.support.webrtc_client import ClientOptions

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
SESSION: Any = {"type": "realtime", "model": "agent", "instructions": "Be brief.", "tools": [WEATHER]}


def client_of(stage: Stage, key: str | None = None) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{stage.fabric.http}/v1", api_key=key or stage.fabric.api_key)


@asynccontextmanager
async def placed(stage: Stage, client: AsyncOpenAI, **given: Any) -> AsyncIterator[Any]:  # noqa: ANN401 - see below
    """A call that the SDK has placed; a SpokenCaller (whose module needs the native one)."""
    from tests.support.spoken_caller import SpokenCaller  # noqa: PLC0415 - needs the native module

    async with LiveCaller(stage.fabric, ClientOptions(data_channel=True)) as live:
        answer = await client.realtime.calls.create(sdp=live.client.offer(), **given)
        live.location = answer.response.headers["Location"]
        live.take_answer(answer.text)
        await live.until(lambda: live.client.connected_at is not None, "DTLS is up")
        caller = SpokenCaller(live)
        try:
            await caller.events.event("session.created")
            yield caller
        finally:
            await caller.close()
            for event in caller.events.events:
                check_server_event(event)


@pytest.mark.realtime("POST /v1/realtime/calls", "POST /v1/realtime/client_secrets")
async def test_a_conversation_in_a_call_with_an_ephemeral_key(stage: Stage) -> None:
    from tests.support.agent_scene import spoken  # noqa: PLC0415 - needs the models

    async with client_of(stage) as server:
        expiry: Any = {"anchor": "created_at", "seconds": 120}
        secret = await server.realtime.client_secrets.create(expires_after=expiry, session=SESSION)
        assert secret.value.startswith("ek_")
        assert secret.session.type == "realtime"
        async with client_of(stage, secret.value) as browser, placed(stage, browser) as caller:
            await caller.say(spoken(QUESTIONS["times"]))
            assert "84" in (await caller.answer())["output"][0]["content"][0]["transcript"]
            await caller.heard_out()
            await caller.say(spoken(QUESTIONS["weather"]))
            call = await caller.events.event("response.function_call_arguments.done")
            await caller.answer()
            output = json.dumps({"city": "Paris", "temperature_c": 21, "sky": "sunny"})
            item = {"type": "function_call_output", "call_id": call["call_id"], "output": output}
            caller.events.send("conversation.item.create", item=item)
            caller.events.send("response.create")
            assert "21" in (await caller.answer())["output"][0]["content"][0]["transcript"]
            await caller.heard_out()
            await caller.say(spoken(QUESTIONS["story"]))
            await caller.events.event("output_audio_buffer.started", within_s=30.0)
            await asyncio.sleep(1.5)
            await caller.say(spoken(QUESTIONS["again"]))
            await caller.events.event("output_audio_buffer.cleared")
            while (response := await caller.answer())["status"] != "completed":
                pass
            assert "78" in response["output"][0]["content"][0]["transcript"]


@pytest.mark.realtime(
    "POST /v1/realtime/calls", "POST /v1/realtime/calls/{call_id}/hangup", "GET /v1/realtime?call_id="
)
async def test_a_call_with_its_session_is_steered_from_beside_and_ended(stage: Stage) -> None:
    async with client_of(stage) as server, placed(stage, server, session=SESSION) as caller:
        call_id = caller.caller.call_id
        async with server.realtime.connect(call_id=call_id) as beside:
            created = (await beside.recv()).to_dict()
            assert created["type"] == "session.created"
            content: Any = [{"type": "input_text", "text": "What is three times three?"}]
            await beside.conversation.item.create(item={"type": "message", "role": "user", "content": content})
            await beside.response.create(response={"output_modalities": ["text"]})
            while (event := await beside.recv()).type != "response.done":
                check_server_event(event.to_dict())
            response: Any = event.to_dict()["response"]
            assert "9" in response["output"][0]["content"][0]["text"]
            assert "9" in (await caller.answer())["output"][0]["content"][0]["text"], "the caller sees it as well"
        await server.realtime.calls.hangup(call_id)
        with pytest.raises(NotFoundError):
            await server.realtime.calls.hangup(call_id)


async def test_a_forged_ephemeral_key_is_refused(stage: Stage) -> None:
    async with client_of(stage, "ek_forged") as browser:
        with pytest.raises(AuthenticationError):
            await browser.realtime.calls.create(sdp="v=0\r\n")
