"""The model of LiveKit's OpenAI plug-in: python livekit_model.py QUESTION.wav ANSWER.wav

In a LiveKit agent it is `AgentSession(llm=model)` and a room carries the audio. Here files do, and no server is needed.
"""

import asyncio
import os
import sys

from ask import RATE, read_wav, write_wav
from livekit import rtc
from livekit.plugins.openai.realtime import RealtimeModel

MODEL = os.environ.get("MODEL", "agent")
CHUNK_S = 0.02


async def main(question: str, answer: str) -> None:
    model = RealtimeModel(model=MODEL)  # OPENAI_BASE_URL and OPENAI_API_KEY
    session = model.session()
    answers: asyncio.Queue = asyncio.Queue()
    session.on("generation_created", answers.put_nowait)
    await session.update_instructions("Be brief.")

    step = int(RATE * CHUNK_S) * 2
    # The model finds the end of the question in the silence after it.
    speech = read_wav(question) + bytes(RATE * 2 * 2)
    for begin in range(0, len(speech) - step + 1, step):
        session.push_audio(rtc.AudioFrame(speech[begin : begin + step], RATE, 1, step // 2))
        await asyncio.sleep(CHUNK_S)

    samples = bytearray()
    async for message in (await answers.get()).message_stream:
        async for text in message.text_stream:
            print(text, end="", flush=True)
        async for frame in message.audio_stream:
            samples += bytes(frame.data)
    print()
    await session.aclose()
    write_wav(answer, bytes(samples))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
