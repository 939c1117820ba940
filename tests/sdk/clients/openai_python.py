"""openai-python over a WebSocket."""

import asyncio
import base64
import json
import time

from openai import AsyncOpenAI
from talk import ORDERS, SAMPLE_RATE, Events, Microphone, report, weather_in, words

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
FORMAT = {"type": "audio/pcm", "rate": SAMPLE_RATE}
HEARING = {
    "format": FORMAT,
    "turn_detection": {"type": "semantic_vad"},
    "transcription": {"model": "gpt-4o-mini-transcribe"},
}


async def main() -> None:
    events, errors = Events(), []
    client = AsyncOpenAI(base_url=ORDERS["url"].replace("ws", "http", 1), api_key=ORDERS["key"])
    async with client, client.realtime.connect(model=ORDERS["model"]) as connection:

        async def read() -> None:
            async for event in connection:
                events.add(event.to_dict())
                if event.type == "error":
                    errors.append(event.error.message)

        async def create(item: dict[str, object]) -> None:
            await connection.conversation.item.create(item=item)
            await connection.response.create()

        async def append(pcm: bytes) -> None:
            await connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())

        reading = asyncio.create_task(read())
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        typed = [{"type": "input_text", "text": "What is three times three?"}]
        await create({"type": "message", "role": "user", "content": typed})
        written = words(await events.answer())

        audio = {"input": HEARING, "output": {"format": FORMAT}}
        session = {"type": "realtime", "output_modalities": ["audio"], "audio": audio, "tools": [WEATHER]}
        await connection.session.update(session=session)
        microphone = Microphone(append)
        microphone.say("times")
        answer = await events.answer()
        spoken = {"words": words(answer), "audio": events.audio(answer["id"])}
        understood = await events.ever("conversation.item.input_audio_transcription.completed")

        microphone.say("weather")
        call = await events.next("response.function_call_arguments.done")
        await events.answer()
        output = json.dumps(weather_in(json.loads(call["arguments"])["city"]))
        await create({"type": "function_call_output", "call_id": call["call_id"], "output": output})
        tool = {"name": call["name"], "arguments": call["arguments"], "words": words(await events.answer())}

        microphone.say("story")
        story = await events.next("response.output_audio.delta")
        begun_at = time.monotonic()
        await asyncio.sleep(1.5)
        microphone.say("again")
        await events.next("input_audio_buffer.speech_started")
        heard_ms = round((time.monotonic() - begun_at) * 1000)
        await connection.conversation.item.truncate(item_id=story["item_id"], content_index=0, audio_end_ms=heard_ms)
        truncated = await events.next("conversation.item.truncated")
        last = await events.answer()
        await microphone.off()
        reading.cancel()

    interruption = {
        "heard_ms": truncated["audio_end_ms"],
        "words": words(last),
        "audio": events.audio(last["id"]),
        "told": 1,
    }
    report(
        written=written,
        understood=understood["transcript"],
        spoken=spoken,
        tool=tool,
        interruption=interruption,
        errors=errors,
        unknown=[],
        raw=events.all,
    )


asyncio.run(main())
