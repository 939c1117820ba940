"""The Agents SDK for Python, over a WebSocket."""

import asyncio
import json

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner
from talk import ORDERS, Events, Microphone, report, weather_in, words


async def main() -> None:
    calls = []

    @function_tool
    def get_weather(city: str) -> str:
        """Get the weather in a city."""
        calls.append({"city": city})
        return json.dumps(weather_in(city))

    agent = RealtimeAgent(name="Assistant", instructions="Be brief.", tools=[get_weather])
    model = {"url": f"{ORDERS['url']}/realtime?model={ORDERS['model']}", "api_key": ORDERS["key"]}
    events, errors, told = Events(), [], []

    async with await RealtimeRunner(agent).run(model_config=model) as session:

        async def read() -> None:
            async for event in session:
                if event.type == "raw_model_event" and event.data.type == "raw_server_event":
                    events.add(event.data.data)
                elif event.type == "error":
                    errors.append(str(event.error))
                elif event.type == "audio_interrupted":
                    told.append(event.item_id)

        reading = asyncio.create_task(read())
        await session.send_message("What is three times three?")
        written = words(await events.answer())

        microphone = Microphone(session.send_audio)
        microphone.say("times")
        answer = await events.answer()
        spoken = {"words": words(answer), "audio": events.audio(answer["id"])}
        understood = await events.ever("conversation.item.input_audio_transcription.completed")

        microphone.say("weather")
        call = await events.next("response.function_call_arguments.done")
        await events.answer()
        told_weather = words(await events.answer())
        tool = {"name": call["name"], "arguments": json.dumps(calls[0]), "words": told_weather}

        microphone.say("story")
        await events.next("response.output_audio.delta")
        await asyncio.sleep(1.5)
        microphone.say("again")
        truncated = await events.next("conversation.item.truncated")
        last = await events.answer()
        await microphone.off()
        reading.cancel()

    interruption = {
        "heard_ms": truncated["audio_end_ms"],
        "words": words(last),
        "audio": events.audio(last["id"]),
        "told": len(told),
    }
    report(
        written=written,
        understood=understood["transcript"],
        spoken=spoken,
        tool=tool,
        interruption=interruption,
        errors=errors,
        # Whatever the SDK does not know or cannot read becomes an error.
        unknown=[],
        raw=events.all,
    )


asyncio.run(main())
