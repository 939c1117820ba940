"""CPU of turn taking per second of a call, silent and speaking, and how long the models let a call wait.

Calls on one event loop, each sending 20 ms of audio in real time at a phase of its own, as packets come. The same run
with turn taking that does nothing is subtracted, so that the loop's own timers are not in the figures. `silent` is a
quiet room measured here, `silent_levels` one whose client sends its level (RFC 6464), `speaking` a voice that hardly
pauses, `energy` the same where no model is installed. `end_of_turn` asks smart-turn, one call after another.

    python bench/bench_turns.py [--calls 1,8,32] [--seconds 8]

Prints one JSON object. Needs the models of `offhook models fetch`.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import uvloop

from bench.machine import machine
from offhook.models.store import models_directory
from tests.support.turn_scene import Recorder, noise, speech
from transceiver.turns.counters import DELAY_BUCKETS_S
from transceiver.turns.interface import SemanticVad, ServerVad
from transceiver.turns.turns import start_turns

FRAME_BYTES, FRAME_S = 640, 0.02
QUESTIONS = 20

Audio = Callable[[bytes, int], None]


async def send(hear: list[Audio], pcm: bytes, seconds: float) -> float:
    """Feeds each call in real time; returns the process's CPU seconds."""
    frames = round(seconds / FRAME_S)
    loop = asyncio.get_running_loop()
    before, begin = time.process_time(), loop.time() + 0.05

    async def one(number: int, audio: Audio) -> None:
        phase = FRAME_S * number / len(hear)
        # Each call is somewhere else in the recording.
        offset = number * 7919 * FRAME_BYTES % len(pcm)
        for frame in range(frames):
            delay = begin + phase + frame * FRAME_S - loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            at = (offset + frame * FRAME_BYTES) % (len(pcm) - FRAME_BYTES) // 2 * 2
            audio(pcm[at : at + FRAME_BYTES], frame * 20_000)

    await asyncio.gather(*(one(number, audio) for number, audio in enumerate(hear)))
    return time.process_time() - before


async def scene(kind: str, calls: int, seconds: float) -> dict[str, Any]:
    """One row of the result."""
    pcm = speech()[8_000:216_000] if kind in ("speaking", "energy") else noise(10, -65)
    turns = start_turns(None if kind == "energy" else models_directory(), asyncio.get_running_loop())
    level = 75 if kind == "silent_levels" else None
    opened = [turns.open(ServerVad(), Recorder()) for _ in range(calls)]
    hear: list[Audio] = [
        lambda piece, at_us, call=call: call.audio(piece, media_time_us=at_us, level_dbov=level)  # type: ignore[misc]
        for call in opened
    ]
    nothing = await send([lambda piece, at_us: None] * calls, pcm, seconds)
    # The noise floor is learnt and the gate shut before the clock starts.
    for call in opened:
        call.audio(pcm[: 4 * 32_000] if kind.startswith("silent") else b"", media_time_us=-4_000_000)
    await asyncio.sleep(0.3)
    silero = turns.counters.speech_model
    judged, runs, cpu_s = silero.judged, silero.runs, silero.cpu_s
    delay_s, delay_counts = silero.delays.sum_s, list(silero.delays.counts)
    cpu = await send(hear, pcm, seconds)
    turns.close()
    row = {
        "kind": kind,
        "calls": calls,
        "cpu_us_per_session_second": round((cpu - nothing) * 1e6 / calls / seconds),
        "inferences_per_session_second": round((silero.judged - judged) / calls / seconds, 2),
    }
    if silero.judged - judged > calls:
        counts = [after - before for after, before in zip(silero.delays.counts, delay_counts, strict=True)]
        row |= {
            "model_us_per_window": round((silero.cpu_s - cpu_s) * 1e6 / (silero.judged - judged)),
            "windows_per_run": round((silero.judged - judged) / (silero.runs - runs), 2),
            "delay_ms_mean": round((silero.delays.sum_s - delay_s) * 1000 / (silero.judged - judged), 2),
            "delay_ms_p50_below": below(counts, 0.5),
            "delay_ms_p99_below": below(counts, 0.99),
            "windows_skipped": silero.skipped,
        }
    return row


def below(counts: list[int], share: float) -> float | None:
    """The bound of the bucket in which that share of the delays is reached, in ms."""
    reached = 0
    for count, bound in zip(counts, DELAY_BUCKETS_S, strict=False):
        reached += count
        if reached >= share * sum(counts):
            return bound * 1000
    return None


async def end_of_turn() -> dict[str, Any]:
    """What a question to smart-turn costs, and how long its answer takes while nobody else asks."""
    turns = start_turns(models_directory(), asyncio.get_running_loop())
    for number in range(QUESTIONS):
        answered = Answered()
        call = turns.open(SemanticVad(), answered)
        # A hundred times faster than speech, which the speech model follows.
        audio = noise(1, -65, seed=number) + speech() + noise(1, -65)
        for start in range(0, len(audio), 6_400):
            call.audio(audio[start : start + 6_400], media_time_us=start * 1_000_000 // 32_000)
            await asyncio.sleep(0.002)
        await answered.event.wait()
        call.close()
    model = turns.counters.end_of_turn_model
    turns.close()
    return {
        "kind": "end_of_turn",
        "questions": model.judged,
        "cpu_ms_each": round(1000 * model.cpu_s / model.judged, 1),
        "delay_ms_mean": round(1000 * model.delays.sum_s / model.judged, 1),
    }


class Answered(Recorder):
    """Tells when the turn is over."""

    def __init__(self) -> None:
        super().__init__()
        self.event = asyncio.Event()

    def speech_stopped(self, end_us: int, voice_end_us: int) -> None:
        """See `TurnListener`."""
        self.event.set()


async def measure(calls: list[int], seconds: float) -> list[dict[str, Any]]:
    """All rows."""
    rows = []
    for kind in ("silent", "silent_levels", "speaking", "energy"):
        for number in calls:
            rows.append(await scene(kind, number, seconds))
            print(rows[-1], file=sys.stderr)
    rows.append(await end_of_turn())
    print(rows[-1], file=sys.stderr)
    return rows


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", default="1,8,32", help="numbers of calls at once, separated by commas")
    parser.add_argument("--seconds", type=float, default=8, help="length of each run")
    arguments = parser.parse_args()
    rows = uvloop.run(measure([int(number) for number in arguments.calls.split(",")], arguments.seconds))
    versions = {name: version(name) for name in ("onnxruntime", "numpy", "uvloop")}
    print(json.dumps({"machine": machine(), "versions": versions, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
