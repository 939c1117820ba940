"""A Pipecat pipeline with a Realtime service in it: python pipecat_bot.py QUESTION.wav ANSWER.wav

A transport of Pipecat (WebRTC, a phone) would stand where the files stand here.
"""

import asyncio
import os
import sys

from ask import RATE, read_wav, write_wav
from pipecat.frames.frames import EndFrame, Frame, InputAudioRawFrame, TTSAudioRawFrame, TTSStoppedFrame, TTSTextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.realtime.events import AudioConfiguration, AudioInput, SessionProperties, TurnDetection
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner

MODEL = os.environ.get("MODEL", "agent")
CHUNK_S = 0.02


class Speaker(FrameProcessor):
    """Keeps what is said, and knows when it is said."""

    def __init__(self) -> None:
        super().__init__()
        self.samples = bytearray()
        self.done = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self.samples += frame.audio
        elif isinstance(frame, TTSTextFrame):
            print(frame.text, end="", flush=True)
        elif isinstance(frame, TTSStoppedFrame):
            self.done.set()
        await self.push_frame(frame, direction)


async def main(question: str, answer: str) -> None:
    hearing = AudioInput(turn_detection=TurnDetection(silence_duration_ms=500))
    service = OpenAIRealtimeLLMService(
        api_key=os.environ["OPENAI_API_KEY"],
        base_url=os.environ["OPENAI_BASE_URL"].replace("http", "ws", 1) + "/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            model=MODEL,
            system_instruction="Be brief.",
            session_properties=SessionProperties(audio=AudioConfiguration(input=hearing)),
        ),
    )
    user, assistant = LLMContextAggregatorPair(LLMContext([]))
    speaker = Speaker()
    worker = PipelineWorker(Pipeline([user, service, speaker, assistant]))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())

    step = int(RATE * CHUNK_S) * 2
    # The service finds the end of the question in the silence after it.
    speech = read_wav(question) + bytes(RATE * 2)
    for begin in range(0, len(speech), step):
        await worker.queue_frame(InputAudioRawFrame(speech[begin : begin + step], sample_rate=RATE, num_channels=1))
        await asyncio.sleep(CHUNK_S)
    await speaker.done.wait()
    print()
    await worker.queue_frame(EndFrame())
    await running
    write_wav(answer, bytes(speaker.samples))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
