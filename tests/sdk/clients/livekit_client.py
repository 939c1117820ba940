"""LiveKit's OpenAI Realtime plug-in, over a WebSocket: its model class, which needs no LiveKit server."""

import asyncio
import base64
import json
import logging

from livekit import rtc
from livekit.agents import function_tool, llm
from livekit.plugins.openai.realtime import RealtimeModel
from talk import ORDERS, SAMPLE_RATE, Events, Microphone, report, weather_in

WITHIN_S = 30.0


class Generation:
    """One answer as the plug-in gives it: words, audio, functions that are called."""

    def __init__(self, created: llm.GenerationCreatedEvent) -> None:
        self.words = ""
        self.audio = bytearray()
        self.calls: list[llm.FunctionCall] = []
        self.message_id = ""
        self.done = asyncio.create_task(self._read(created))

    async def _read(self, created: llm.GenerationCreatedEvent) -> "Generation":
        async def messages() -> None:
            async for message in created.message_stream:
                self.message_id = message.message_id
                await asyncio.gather(self._words(message), self._audio(message))

        async def calls() -> None:
            async for call in created.function_stream:
                self.calls.append(call)

        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(messages(), calls())
        return self

    async def _words(self, message: llm.MessageGeneration) -> None:
        async for text in message.text_stream:
            self.words += text

    async def _audio(self, message: llm.MessageGeneration) -> None:
        async for frame in message.audio_stream:
            self.audio += bytes(frame.data)


class Log(logging.Handler):
    """What the plug-in complains of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.exc_info}")


@function_tool
async def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return json.dumps(weather_in(city))


async def main() -> None:
    log = Log()
    logging.getLogger("livekit").addHandler(log)
    model = RealtimeModel(model=ORDERS["model"], base_url=ORDERS["url"], api_key=ORDERS["key"])
    session = model.session()
    events, errors, transcripts = Events(), [], []
    generations: asyncio.Queue[Generation] = asyncio.Queue()
    interruptions: list[object] = []
    session.on("openai_server_event_received", events.add)
    session.on("error", lambda error: errors.append(str(error)))
    session.on("generation_created", lambda created: generations.put_nowait(Generation(created)))
    session.on("input_audio_transcription_completed", transcripts.append)
    session.on("input_speech_started", interruptions.append)

    async def answer() -> Generation:
        async with asyncio.timeout(WITHIN_S):
            return await (await generations.get()).done

    await session.update_instructions("Be brief.")
    await session.update_tools([get_weather])
    chat = session.chat_ctx.copy()
    chat.add_message(role="user", content="What is three times three?")
    await session.update_chat_ctx(chat)
    await session.generate_reply()
    written = await answer()

    async def send(pcm: bytes) -> None:
        session.push_audio(rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2))

    microphone = Microphone(send)
    microphone.say("times")
    first = await answer()
    await events.ever("conversation.item.input_audio_transcription.completed")
    understood = next(each.transcript for each in transcripts if each.is_final)

    microphone.say("weather")
    (call,) = (await answer()).calls
    output = json.dumps(weather_in(json.loads(call.arguments)["city"]))
    chat = session.chat_ctx.copy()
    chat.items.append(llm.FunctionCallOutput(call_id=call.call_id, name=call.name, output=output, is_error=False))
    await session.update_chat_ctx(chat)
    await session.generate_reply()
    told = await answer()

    microphone.say("story")
    story = await events.next("response.output_audio.delta")
    generation = await generations.get()
    await asyncio.sleep(1.5)
    spoken_to = len(interruptions)
    microphone.say("again")
    async with asyncio.timeout(WITHIN_S):
        while len(interruptions) == spoken_to:
            await asyncio.sleep(0.02)
    session.interrupt()
    session.truncate(message_id=story["item_id"], modalities=["audio"], audio_end_ms=1500)
    truncated = await events.next("conversation.item.truncated")
    await generation.done
    last = await answer()
    await microphone.off()
    history = [item.id for item in session.chat_ctx.items]
    await session.aclose()

    interruption = {
        "heard_ms": truncated["audio_end_ms"],
        "words": last.words,
        "audio": as_base64(bytes(last.audio)),
        "told": len(interruptions),
    }
    report(
        written=written.words,
        understood=understood,
        spoken={"words": first.words, "audio": as_base64(bytes(first.audio))},
        tool={"name": call.name, "arguments": call.arguments, "words": told.words},
        interruption=interruption,
        errors=errors,
        unknown=log.lines,
        history=history,
        raw=events.all,
    )


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


asyncio.run(main())
