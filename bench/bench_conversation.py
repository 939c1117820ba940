"""How long a caller waits for the agent's answer: questions by voice over a whole fabric of processes, by stage.

    PYTHONPATH=. python -P bench/bench_conversation.py [--turns N] [--turn-detection server_vad|semantic_vad]

One caller with real Opus, DTLS and SRTP asks synthesised questions, one after the other, and hears the answers out. Per
turn, by the caller's clock: from the last audible frame of the question to the first audible frame of the answer. By
the transceiver's metrics: hangover (what turn detection waits), worker (of which recognition, model, speech), playout,
total; network_and_codec is what the caller waited beyond that total. Prints one JSON object, in milliseconds.

Needs the native module and the agent's models (`offhook models fetch`).
"""

import argparse
import asyncio
import json
import statistics
import sys
from typing import Any

from bench.machine import machine
from tests.support.agent_scene import spoken
from tests.support.fabric import Fabric, running_fabric
from tests.support.metrics import read_metrics
from tests.support.spoken_caller import SpokenCaller, spoken_call
from transceiver.calls.answer_latency import Stage

QUESTIONS = (
    "What is twelve times seven?",
    "Who are you?",
    "What is two plus two?",
    "How do you spell banana?",
    "What is nine minus four?",
)
METRIC = "fabric_transceiver_answer_latency_seconds_sum"


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=30, help="questions to ask (default 30)")
    parser.add_argument("--turn-detection", choices=("server_vad", "semantic_vad"), default="server_vad")
    parser.add_argument(
        "--silence-ms", type=int, default=500, help="server_vad: silence that ends a turn (default 500)"
    )
    parser.add_argument("--eagerness", choices=("low", "medium", "high", "auto"), default="auto", help="semantic_vad")
    options = parser.parse_args()
    detection: dict[str, Any] = {"type": options.turn_detection}
    if options.turn_detection == "server_vad":
        detection["silence_duration_ms"] = options.silence_ms
    else:
        detection["eagerness"] = options.eagerness
    before = machine()
    for question in QUESTIONS:
        spoken(question)
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "1", "--worker", "agent") as fabric:
        turns = asyncio.run(_ask(fabric, options.turns, detection))
    result = {"machine": before, "turn_detection": detection, "turns": len(turns), "milliseconds": _summary(turns)}
    json.dump(result, sys.stdout, indent=2)
    sys.stdout.write("\n")


async def _ask(fabric: Fabric, turns: int, detection: dict[str, Any]) -> list[dict[str, float]]:
    figures = []
    async with spoken_call(fabric) as caller:
        await caller.configure(audio={"input": {"turn_detection": detection}})
        for number in range(turns):
            figures.append(await _turn(fabric, caller, QUESTIONS[number % len(QUESTIONS)]))
            await asyncio.sleep(0.3)
    return figures


async def _turn(fabric: Fabric, caller: SpokenCaller, question: str) -> dict[str, float]:
    before = await asyncio.to_thread(_sums, fabric)
    ended_at = await caller.say(spoken(question))
    response = await caller.answer()
    if response["status"] != "completed":
        raise SystemExit(f"a response ended as {response['status']}: {response['status_details']}")
    await caller.heard_out()
    heard_at = caller.first_sound_since(ended_at)
    if heard_at is None:
        raise SystemExit("an answer was not heard")
    after = await asyncio.to_thread(_sums, fabric)
    figures = {stage: (after[stage] - before[stage]) * 1000 for stage in after}
    waited = (heard_at - ended_at) * 1000
    return {"heard": waited, **figures, "network_and_codec": waited - figures[Stage.TOTAL]}


def _sums(fabric: Fabric) -> dict[str, float]:
    (transceiver,) = fabric.processes("transceiver")
    samples = read_metrics(transceiver)
    return {stage.value: samples[f'{METRIC}{{stage="{stage.value}"}}'] for stage in Stage}


def _summary(turns: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    summary = {}
    for name in turns[0]:
        values = sorted(turn[name] for turn in turns)
        p95 = values[min(len(values) - 1, round(0.95 * len(values)) - 1)]
        summary[name] = {"p50": round(statistics.median(values), 1), "p95": round(p95, 1), "max": round(values[-1], 1)}
    return summary


if __name__ == "__main__":
    main()
