"""Asks a question by voice and saves the answer: python ask.py QUESTION.wav ANSWER.wav"""

import asyncio
import base64
import os
import sys
import wave

from openai import AsyncOpenAI

RATE = 24_000
MODEL = os.environ.get("MODEL", "agent")


def read_wav(path: str) -> bytes:
    with wave.open(path) as recording:
        if recording.getparams()[:3] != (1, 2, RATE):
            sys.exit(
                f"{path} must be mono, 16 bit, 24 kHz: ffmpeg -i {path} -ac 1 -ar 24000 -sample_fmt s16 question.wav"
            )
        return recording.readframes(recording.getnframes())


def write_wav(path: str, samples: bytes) -> None:
    with wave.open(path, "wb") as recording:
        recording.setparams((1, 2, RATE, 0, "NONE", ""))
        recording.writeframes(samples)


async def main(question: str, answer: str) -> None:
    client = AsyncOpenAI()  # OPENAI_BASE_URL and OPENAI_API_KEY
    async with client.realtime.connect(model=MODEL) as connection:
        # Push to talk: the file says where the question ends.
        await connection.session.update(session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
        await connection.input_audio_buffer.append(audio=base64.b64encode(read_wav(question)).decode())
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        samples = bytearray()
        async for event in connection:
            if event.type == "response.output_audio.delta":
                samples += base64.b64decode(event.delta)
            elif event.type == "response.output_audio_transcript.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "error":
                raise RuntimeError(event.error.message)
            elif event.type == "response.done":
                break
        print()
        write_wav(answer, bytes(samples))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
