"""`OpenAI-Beta: realtime=v1`: the same sessions under the beta's names, held against the SDK's beta models."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
from openai import AsyncOpenAI
from openai.types.beta.realtime import realtime_server_event
from openai.types.beta.realtime.transcription_session_updated_event import TranscriptionSessionUpdatedEvent

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from tests.support.http_scene import KEY
from tests.support.socket_scene import MODEL, parrot_house
from tests.support.whole_transceiver import WholeTransceiver
from transceiver.realtime.beta.events import present_event

_MODELS = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(realtime_server_event.RealtimeServerEvent)[0])
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WholeTransceiver]:
    async with parrot_house(tmp_path) as transceiver:
        yield transceiver


def checked(event: dict[str, Any]) -> dict[str, Any]:
    """The event, which the beta's models know."""
    assert event["type"] in _MODELS, f"the beta knows no event {event['type']}"
    # They list the models of their day.
    session = {"session": event["session"] | {"model": "gpt-realtime"}} if "session" in event else {}
    _MODELS[event["type"]].model_validate(event | session)
    return event


async def test_the_official_sdks_beta_client_has_a_conversation(house: WholeTransceiver) -> None:
    async with (
        AsyncOpenAI(api_key=KEY, websocket_base_url=f"{house.http.replace('http', 'ws', 1)}/v1") as client,
        client.beta.realtime.connect(model=MODEL) as connection,
    ):
        created = checked((await connection.recv()).to_dict())
        assert created["type"] == "session.created"
        assert created["session"]["modalities"] == ["audio", "text"]
        assert created["session"]["input_audio_format"] == "pcm16"
        await connection.session.update(
            session={
                "instructions": "Be brief.",
                "turn_detection": None,  # type: ignore[typeddict-item]  # what the API takes for "off"
                "output_audio_format": "g711_ulaw",
            }
        )
        await connection.input_audio_buffer.append(audio=base64.b64encode(bytes(24_000)).decode())
        await connection.input_audio_buffer.commit()
        await connection.response.create(response={"modalities": ["audio", "text"]})
        events: list[dict[str, Any]] = []
        while not events or events[-1]["type"] != "response.done":
            events.append(checked((await connection.recv()).to_dict()))
        kinds = [event["type"] for event in events]
        assert kinds.index("session.updated") < kinds.index("conversation.item.created")
        assert {"response.audio.delta", "response.audio_transcript.delta", "response.audio.done"} <= set(kinds)
        updated = next(event for event in events if event["type"] == "session.updated")["session"]
        assert (updated["instructions"], updated["output_audio_format"]) == ("Be brief.", "g711_ulaw")
        assert updated["turn_detection"] is None
        response = events[-1]["response"]
        assert response["output"][0]["content"][0]["type"] == "audio"
        assert response["output_audio_format"] == "g711_ulaw"


async def test_text_and_what_is_refused(house: WholeTransceiver) -> None:
    headers = house.headers | {"OpenAI-Beta": "realtime=v1"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{house.http}/v1/realtime?model={MODEL}") as socket,
    ):

        async def event(kind: str) -> dict[str, Any]:
            while True:
                came = checked(await socket.receive_json(timeout=20))
                if came["type"] == kind:
                    return came

        await event("session.created")
        await socket.send_str("{")
        assert (await event("error"))["error"]["code"] == "invalid_json"
        await socket.send_str("[]")
        assert (await event("error"))["error"]["code"] == "invalid_event"
        await socket.send_json({"type": "session.update", "event_id": "mine", "session": {"input_audio_format": "mp3"}})
        error = (await event("error"))["error"]
        assert (error["param"], error["event_id"]) == ("session.input_audio_format", "mine")
        said = [{"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Before."}]}]
        asked = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Polly"}]}]
        for item in said + asked:
            await socket.send_json({"type": "conversation.item.create", "item": item})
            created = await event("conversation.item.created")
            assert created["item"]["content"][0]["type"] == item["content"][0]["type"]  # type: ignore[index]
        await socket.send_json({"type": "response.create", "response": {"modalities": ["text"]}})
        assert (await event("response.text.done"))["text"] == "Polly"
        assert (await event("response.done"))["response"]["modalities"] == ["text"]


async def test_a_transcription_session(house: WholeTransceiver) -> None:
    protocols = ("realtime", f"openai-insecure-api-key.{KEY}", "openai-beta.realtime-v1")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{house.http}/v1/realtime?intent=transcription", protocols=protocols) as socket,
    ):
        await socket.receive_json(timeout=20)
        wanted = {"input_audio_format": "pcm16", "input_audio_transcription": {"model": "whisper-1"}}
        await socket.send_json({"type": "transcription_session.update", "session": wanted})
        updated = await socket.receive_json(timeout=20)
        while updated["type"] != "transcription_session.updated":
            updated = await socket.receive_json(timeout=20)
        # The model is that of the HTTP endpoint as well, whose answers alone carry a key.
        key = {"client_secret": {"value": "", "expires_at": 0}}
        TranscriptionSessionUpdatedEvent.model_validate(updated | {"session": updated["session"] | key})
        assert updated["session"]["input_audio_transcription"]["model"] == "whisper-1"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.update", "session": {"type": "realtime", "output_modalities": ["text"]}},
        {"type": "response.create"},
        {"type": "response.create", "response": {"output_modalities": ["text"]}},
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": "x"}},
        {"type": "conversation.item.create", "item": 7},
        {"type": 7},
        {},
    ],
)
def test_what_is_said_as_it_is_said_now_is_left_as_it_is(event: dict[str, Any]) -> None:
    assert present_event(event) == event
