"""How long a caller waits for the agent's answer, and for its silence: stock Chromium, by voice, over a whole fabric.

    PYTHONPATH=. python -P bench/bench_conversation.py [--rounds N] [--turn-detection page|server_vad|semantic_vad]

A round is six questions, synthesised: three plain ones, one that the agent answers by way of a tool, a story, and one
that is said into the story. The fabric is `offhook up`'s, Chromium is headless on the demo page, its microphone is
played by the page (Web Audio), and what it says and hears is recorded on one clock. Prints one JSON object, in ms.

`misunderstood` are the questions that got a wrong answer, what a recogniser makes of the microphone's own signal, and
that answer.

Answers. `heard`: from the last audible sample of the question to the first audible one of the answer. By the
transceiver's metrics: `hangover` (the silence that turn detection waits for), of which `turn` (smart-turn's judgement);
`worker`, of which `recognition`, `brain` and `synthesis`; `playout`; `total` is all of these. `network` is what `heard`
is longer: codecs, jitter buffers at both ends, and how late the detector notices that the voice has ended;
`jitter_buffer` is the browser's part of it, by its own account of this answer. `concealed` is no stage: the caller's
audio that came late, much of it where the machine is too busy to run a browser.

Interruptions. `detected`: from the first audible sample of the interrupting question to the fabric's event that it has
begun. `reacted`: from that event to the last packet of the answer that was cut off, both as they come to the browser.
`silent`: from that first sample to the last audible one of the answer, out of the browser's jitter buffer.

Needs Chromium, Node.js, the native module and the models (`offhook models fetch`). Exit code 77: there is no Chromium.
"""

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bench.machine import machine
from tests.interop.browser import BrowserCall, CallEvents, missing_part, running_browser
from tests.interop.recording import AUDIBLE, SAMPLE_RATE, Recording, Samples
from tests.support.agent_scene import recogniser, resample, spoken
from tests.support.fabric import Fabric, running_fabric
from tests.support.metrics import read_metrics

STORY = "Tell me a story."
ROUND = (
    ("What is twelve times seven?", "84"),
    ("What is the weather in Paris?", "21"),
    ("Who are you?", ""),
    ("How do you spell banana?", ""),
    (STORY, ""),
    ("What is nine minus four?", "5"),
)
"""What is asked, and what the answer's words must hold."""
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
WEATHER_RESULT = json.dumps({"city": "Paris", "temperature_c": 21, "sky": "sunny"})
STORY_TOLD_S = 1.5
CANNOT_MEASURE = 77
STAGES = {
    "hangover": "hangover",
    "worker": "worker",
    "recognition": "recognition",
    "brain": "model",
    "synthesis": "speech",
    "playout": "playout",
    "total": "total",
}
"""The stages as they are printed, and the label of the metric."""
_LATENCY = 'fabric_transceiver_answer_latency_seconds_sum{{stage="{}"}}'
_CONCEALED = 'fabric_transceiver_input_audio_seconds_total{kind="concealed"}'
_WAITED, _PLAYED = "jitter buffer: seconds", "jitter buffer: samples"
_JUDGED_SUM = 'fabric_transceiver_turns_delay_seconds_sum{model="smart_turn"}'
_JUDGED_COUNT = 'fabric_transceiver_turns_delay_seconds_count{model="smart_turn"}'

Figures = dict[str, float]


class Conversation:
    """One call and what is measured in it."""

    def __init__(self, fabric: Fabric, call: BrowserCall) -> None:
        self._fabric = fabric
        self._call = call
        self._events = CallEvents(call)
        self.answers: list[Figures] = []
        self.interruptions: list[Figures] = []
        self.misunderstood: list[str] = []

    async def configure(self, detection: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - JSON
        """Declares the tool, and how turns are found; what is in effect then."""
        audio = {"audio": {"input": {"turn_detection": detection}}} if detection is not None else {}
        await self._call.send_event(
            {"type": "session.update", "session": {"type": "realtime", "tools": [WEATHER], **audio}}
        )
        while True:
            session = (await self._events.next("session.updated"))["session"]
            if session["tools"]:
                return session["audio"]["input"]["turn_detection"]

    async def round(self) -> None:
        """All questions once."""
        for question, wanted in ROUND[:-2]:
            await self._ask(question, wanted)
        await self._interrupt(*ROUND[-1])

    async def _ask(self, question: str, wanted: str) -> None:
        before = await self._metrics()
        async with self._call.recording() as recording:
            await self._call.speak(spoken(question))
            words = await self._answer()
            await self._events.next("output_audio_buffer.stopped")
        await self._note(recording, before)
        self._judge(question, words, wanted, recording)

    async def _interrupt(self, question: str, wanted: str) -> None:
        """A story, and a question into it."""
        before = await self._metrics()
        async with self._call.recording() as recording:
            await self._call.speak(spoken(STORY))
            await self._events.next("output_audio_buffer.started")
            await asyncio.sleep(STORY_TOLD_S)
        await self._note(recording, before)
        before = await self._metrics()
        async with self._call.recording() as recording:
            saying = asyncio.create_task(self._call.speak(spoken(question)))
            started_at_ms = (await self._events.next("input_audio_buffer.speech_started"))["at"]
            await self._events.next("output_audio_buffer.cleared")
            await asyncio.sleep(0.3)
            last_packet_at_ms = await self._call.last_packet_at_ms()
            await saying
            words = await self._answer()
            await self._events.next("output_audio_buffer.stopped")
        (begins, ends) = span(recording.said)
        onset_ms = recording.began_at_ms + begins * 1000
        during = audible(part(recording.heard, begins, ends))
        self.interruptions.append(
            {
                "detected": started_at_ms - onset_ms,
                "reacted": last_packet_at_ms - started_at_ms,
                "silent": float(during[-1]) * 1000 if len(during) else 0.0,
            }
        )
        await self._note(recording, before)
        self._judge(question, words, wanted, recording)

    def _judge(self, question: str, words: str, wanted: str, recording: Recording) -> None:
        if wanted not in words:
            microphone = recogniser().transcribe(resample(recording.said.astype(np.float32), SAMPLE_RATE, 16_000))
            self.misunderstood.append(f"{question} (the microphone gave: {microphone}) {words}")

    async def _answer(self) -> str:
        """The words of the next answer that is spoken to its end, whatever comes before it."""
        while True:
            response = (await self._events.next("response.done"))["response"]
            for item in response["output"]:
                if item["type"] == "function_call":
                    await self._return(item["call_id"])
                elif response["status"] == "completed":
                    return str(item["content"][0]["transcript"])

    async def _return(self, call_id: str) -> None:
        item = {"type": "function_call_output", "call_id": call_id, "output": WEATHER_RESULT}
        await self._call.send_event({"type": "conversation.item.create", "item": item})
        await self._call.send_event({"type": "response.create"})

    async def _note(self, recording: Recording, before: Figures) -> None:
        after = await self._metrics()
        _, asked = span(recording.said)
        answer = audible(part(recording.heard, asked, len(recording.heard) / SAMPLE_RATE))
        if not len(answer):
            raise SystemExit("an answer was not heard")
        grown = {name: after[name] - before[name] for name in after}
        stages = {name: grown[_LATENCY.format(stage)] * 1000 for name, stage in STAGES.items()}
        judged = grown[_JUDGED_COUNT]
        waited = float(answer[0]) * 1000
        turn = grown[_JUDGED_SUM] / judged * 1000 if judged else 0.0
        network, concealed = waited - stages["total"], grown[_CONCEALED] * 1000
        buffered = grown[_WAITED] / grown[_PLAYED] * 1000 if grown[_PLAYED] else 0.0
        split = {"network": network, "jitter_buffer": buffered, "turn": turn, **stages}
        self.answers.append({"heard": waited, **split, "concealed": concealed})

    async def _metrics(self) -> Figures:
        """The transceiver's, and the browser's own of what it plays."""
        (transceiver,) = self._fabric.processes("transceiver")
        waited_s, samples = await self._call.jitter_buffer()
        return {**await asyncio.to_thread(read_metrics, transceiver), _WAITED: waited_s, _PLAYED: samples}


def audible(signal: Samples) -> Samples:
    """Where something is heard, in seconds."""
    found: Samples = np.flatnonzero(np.abs(signal) > AUDIBLE) / SAMPLE_RATE
    return found


def span(signal: Samples) -> tuple[float, float]:
    """Where the first sound begins and the last ends, in seconds."""
    found = audible(signal)
    return float(found[0]), float(found[-1])


def part(signal: Samples, begin_s: float, end_s: float) -> Samples:
    """A stretch of a signal."""
    return signal[int(begin_s * SAMPLE_RATE) : int(end_s * SAMPLE_RATE)]


def summary(measured: Sequence[Figures]) -> dict[str, dict[str, float]]:
    """Median, 95th percentile and maximum of each figure."""
    result = {}
    for name in measured[0]:
        values = sorted(each[name] for each in measured)
        p95 = values[min(len(values) - 1, round(0.95 * len(values)) - 1)]
        result[name] = {"p50": round(statistics.median(values), 1), "p95": round(p95, 1), "max": round(values[-1], 1)}
    return result


async def measure(fabric: Fabric, rounds: int, detection: Mapping[str, Any] | None) -> dict[str, Any]:
    """Holds the conversation and tells what it was like."""
    async with running_browser("chromium") as browser:
        call = await browser.place_call(fabric.http, fabric.api_key, model="agent", scripted=True)
        await call.watch_events()
        conversation = Conversation(fabric, call)
        in_effect = await conversation.configure(detection)
        await asyncio.sleep(1.0)
        for _ in range(rounds):
            await conversation.round()
        await call.hang_up()
        return {
            "browser": f"Chromium {browser.version}",
            "turn_detection": in_effect,
            "misunderstood": conversation.misunderstood,
            "answers": {"count": len(conversation.answers), "ms": summary(conversation.answers)},
            "interruptions": {"count": len(conversation.interruptions), "ms": summary(conversation.interruptions)},
        }


DETECTIONS: dict[str, Callable[[argparse.Namespace], dict[str, Any] | None]] = {
    "page": lambda _options: None,
    "server_vad": lambda options: {"type": "server_vad", "silence_duration_ms": options.silence_ms},
    "semantic_vad": lambda options: {"type": "semantic_vad", "eagerness": options.eagerness},
}


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of six questions (default 5)")
    parser.add_argument("--turn-detection", choices=DETECTIONS, default="page", help="default: what the page asks for")
    parser.add_argument(
        "--silence-ms", type=int, default=500, help="server_vad: silence that ends a turn (default 500)"
    )
    parser.add_argument("--eagerness", choices=("low", "medium", "high", "auto"), default="auto", help="semantic_vad")
    options = parser.parse_args()
    if (missing := missing_part("chromium")) is not None:
        parser.exit(CANNOT_MEASURE, f"{missing}\n")
    before = machine()
    # Speech is made before anybody calls: it takes a second, in which no microphone would work.
    for question, _ in ROUND:
        spoken(question)
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "1", "--worker", "agent") as fabric:
        result = asyncio.run(measure(fabric, options.rounds, DETECTIONS[options.turn_detection](options)))
    json.dump({"machine": before, **result}, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
