"""The official SDK, openai-python, unmodified: typed and spoken questions over a WebSocket, answered by the agent."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.support.agent_models import need_models
from tests.support.fabric import Fabric, running_fabric
from tests.support.openai_events import check_server_event

need_models()
pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from tests.support.agent_scene import heard, spoken  # noqa: E402 - needs the models
from tests.support.speech import decode, encode, from_bytes, to_bytes  # noqa: E402 - needs the native module

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

QUESTION = "What is twelve times seven?"
FORMATS = {"audio/pcm": "PCM24", "audio/pcmu": "PCMU"}
FRAME_BYTES = {"PCM24": 960, "PCMU": 160}


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "1", "--worker", "agent") as running:
        yield running


@asynccontextmanager
async def connection_to(fabric: Fabric) -> AsyncIterator[AsyncRealtimeConnection]:
    client = AsyncOpenAI(base_url=f"{fabric.http}/v1", api_key=fabric.api_key)
    async with client, client.realtime.connect(model="agent") as connection:
        yield connection


async def until_done(connection: AsyncRealtimeConnection) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All events to the end of an answer, each held against the SDK's models, and the response."""
    events: list[dict[str, Any]] = []
    while True:
        event = (await connection.recv()).to_dict()
        check_server_event(event)
        events.append(event)
        assert event["type"] != "error", event
        if event["type"] == "response.done":
            return events, events[-1]["response"]


async def test_a_typed_question_gets_a_written_answer(fabric: Fabric) -> None:
    async with connection_to(fabric) as connection:
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        content: Any = [{"type": "input_text", "text": "What is three times three?"}]
        await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        await connection.response.create()
        events, response = await until_done(connection)
        assert events[0]["type"] == "session.created"
        assert response["status"] == "completed"
        assert "9" in response["output"][0]["content"][0]["text"]


@pytest.mark.parametrize("audio_format", FORMATS)
async def test_a_spoken_question_gets_a_spoken_answer(
    fabric: Fabric, audio_format: str, show: Callable[[str], None]
) -> None:
    codec = FORMATS[audio_format]
    question = b"".join(encode(codec, from_bytes(spoken(QUESTION) + bytes(2 * 16_000 * 2))))
    async with connection_to(fabric) as connection:
        wanted: Any = {"type": audio_format, "rate": 24_000} if codec == "PCM24" else {"type": audio_format}
        await connection.session.update(
            session={
                "type": "realtime",
                "audio": {
                    "input": {"format": wanted, "turn_detection": {"type": "server_vad"}},
                    "output": {"format": wanted},
                },
            }
        )
        step = 5 * FRAME_BYTES[codec]
        for begin in range(0, len(question), step):
            await connection.input_audio_buffer.append(audio=base64.b64encode(question[begin : begin + step]).decode())
            # Twice as fast as it is spoken.
            await asyncio.sleep(0.05)
        events, response = await until_done(connection)
        kinds = [event["type"] for event in events]
        assert kinds.index("input_audio_buffer.speech_started") < kinds.index("input_audio_buffer.speech_stopped")
        assert kinds.index("input_audio_buffer.committed") < kinds.index("response.created")
        assert response["status"] == "completed"
        assert "84" in response["output"][0]["content"][0]["transcript"]
        deltas = [event["delta"] for event in events if event["type"] == "response.output_audio.delta"]
        answer = b"".join(base64.b64decode(delta) for delta in deltas)
        size = FRAME_BYTES[codec]
        samples = decode(codec, [answer[begin : begin + size] for begin in range(0, len(answer), size)])
        understood = heard(to_bytes(samples), 16_000)
        show(f"{audio_format}: heard: {understood}")
        assert "84" in understood or "eighty four" in understood.lower().replace("-", " ")
