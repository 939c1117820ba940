"""Pipecat's OpenAI Realtime service in a pipeline, over a WebSocket. What it takes in is watched, not changed."""

import asyncio
import json
from functools import wraps

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMRunFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime import events as pipecat_events
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SemanticTurnDetection,
    SessionProperties,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner
from talk import ORDERS, SAMPLE_RATE, Events, Microphone, report, weather_in, words


class Listener(FrameProcessor):
    """What comes out of the service."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_bytes = 0
        self.interruptions = 0
        self.errors: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self.audio_bytes += len(frame.audio)
        elif isinstance(frame, InterruptionFrame):
            self.interruptions += 1
        await self.push_frame(frame, direction)


def watch(events: Events, unknown: list[str]) -> None:
    """Notes each server event, and those that Pipecat does not know."""
    parse = pipecat_events.parse_server_event

    @wraps(parse)
    def watched(message: str) -> object:
        parsed = parse(message)
        if parsed is None:
            unknown.append(json.loads(message)["type"])
        events.add(json.loads(message))
        return parsed

    pipecat_events.parse_server_event = watched


async def main() -> None:
    logger.remove()
    events, unknown, calls = Events(), [], []
    watch(events, unknown)

    async def get_weather(params: FunctionCallParams) -> None:
        calls.append(dict(params.arguments))
        await params.result_callback(weather_in(params.arguments["city"]))

    weather = FunctionSchema(
        name="get_weather",
        description="Get the weather in a city",
        properties={"city": {"type": "string"}},
        required=["city"],
    )
    audio_input = AudioInput(transcription=InputAudioTranscription(), turn_detection=SemanticTurnDetection())
    llm = OpenAIRealtimeLLMService(
        api_key=ORDERS["key"],
        base_url=f"{ORDERS['url']}/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            model=ORDERS["model"],
            system_instruction="Be brief.",
            session_properties=SessionProperties(audio=AudioConfiguration(input=audio_input)),
        ),
    )
    llm.register_function("get_weather", get_weather)
    context = LLMContext(
        [{"role": "user", "content": "What is three times three?"}], ToolsSchema(standard_tools=[weather])
    )
    user, assistant = LLMContextAggregatorPair(context)
    listener = Listener()
    worker = PipelineWorker(Pipeline([user, llm, listener, assistant]))

    @worker.event_handler("on_pipeline_error")
    async def on_pipeline_error(_worker: object, frame: ErrorFrame) -> None:
        listener.errors.append(frame.error)

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())

    await worker.queue_frames([LLMRunFrame()])
    written = words(await events.answer())

    async def send(pcm: bytes) -> None:
        await worker.queue_frame(InputAudioRawFrame(audio=pcm, sample_rate=SAMPLE_RATE, num_channels=1))

    microphone = Microphone(send)
    microphone.say("times")
    answer = await events.answer()
    spoken = {"words": words(answer), "audio": events.audio(answer["id"])}
    understood = await events.ever("conversation.item.input_audio_transcription.completed")

    microphone.say("weather")
    call = await events.next("response.function_call_arguments.done")
    await events.answer()
    told = await events.answer()
    tool = {"name": call["name"], "arguments": json.dumps(calls[0]), "words": words(told)}

    microphone.say("story")
    story = await events.next("response.output_audio.delta")
    await asyncio.sleep(1.5)
    microphone.say("again")
    # Finished answers are cut as well, at their end: without a transport nobody says that they were played.
    while (truncated := await events.next("conversation.item.truncated"))["item_id"] != story["item_id"]:
        pass
    last = await events.answer()
    await microphone.off()
    await worker.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert listener.audio_bytes > 0
    interruption = {
        "heard_ms": truncated["audio_end_ms"],
        "words": words(last),
        "audio": events.audio(last["id"]),
        "told": listener.interruptions,
    }
    report(
        written=written,
        understood=understood["transcript"],
        spoken=spoken,
        tool=tool,
        interruption=interruption,
        errors=listener.errors,
        unknown=unknown,
        raw=events.all,
    )


asyncio.run(main())
