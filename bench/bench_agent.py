"""The voice agent alone: what a turn costs, and how soon it answers, stage by stage.

    python bench/bench_agent.py [--turns 30]

A worker process on a Unix socket, and one caller who speaks in real time, 20 ms after 20 ms. The turn is committed half
a second after the voice ends, as server VAD does by default, and an answer is asked for at once; figures count from
there. `committed_to_first_audio` is the caller's clock, read every 2 ms; stages are the worker's. CPU is the worker's
process time, what it spends while the caller speaks and listens included. Prints one JSON object.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from offhook_proto.worker.v1 import worker_pb2 as pb

from bench.machine import machine
from tests.support.agent_scene import spoken
from tests.support.turn_caller import FRAME_BYTES, FRAME_US, SILENCE, TurnCaller
from tests.support.worker_scene import WorkerProcess, hand_transceiver, until

HANGOVER_FRAMES = 25
QUESTIONS = (
    "What time is it?",
    "What is twelve times seven?",
    "How do you spell necessary?",
    "What can you do?",
    "What did I say before?",
    "Tell me a joke.",
    "What is the date today?",
    "How are you?",
    "What is the square root of one hundred and forty four?",
    "Are you a robot?",
)


async def speak_in_real_time(caller: TurnCaller, pcm: bytes) -> None:
    """Sends each frame when a microphone would have it."""
    due = time.monotonic()
    for offset in range(0, len(pcm), FRAME_BYTES):
        due += FRAME_US / 1e6
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await caller.speak(pcm[offset : offset + FRAME_BYTES])


async def turn(caller: TurnCaller, question: str) -> dict[str, float]:
    """One question and its answer: latencies in ms."""
    start_us = caller.at_us
    item_id = await caller.begin_turn(start_us)
    await speak_in_real_time(caller, spoken(question) + SILENCE * HANGOVER_FRAMES)
    await caller.commit(item_id, start_us)
    committed_at = time.monotonic()
    response_id = await caller.request()
    await until(lambda: bool(caller.so_far(response_id).frames))
    first_audio_ms = (time.monotonic() - committed_at) * 1000
    answered = await caller.whole(response_id)
    return {"committed_to_first_audio": first_audio_ms, **answered.done.stage_latency_ms}


def cpu_s(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int, field: str) -> float:
    """VmRSS (now) or VmHWM (most so far) of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum."""
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return {"p50": round(statistics.median(ordered), 1), "p95": round(p95, 1), "max": round(ordered[-1], 1)}


async def measure(turns: int) -> dict[str, object]:
    """Starts a worker, holds a conversation with it, and tells what it took."""
    for question in QUESTIONS:
        spoken(question)
    with tempfile.TemporaryDirectory() as directory:
        began_at = time.monotonic()
        worker = await WorkerProcess.start(f"unix:{directory}/agent.sock", "agent")
        cold_start_s = time.monotonic() - began_at
        pid = worker.process.pid
        loaded_mb = rss_mb(pid, "VmRSS")
        try:
            async with hand_transceiver(worker.address) as transceiver:
                caller = TurnCaller(transceiver)
                await caller.open("agent", pb.SessionConfig(transcription=pb.Transcription(model="any")))
                before_s, at_us = cpu_s(pid), caller.at_us
                latencies = [await turn(caller, QUESTIONS[number % len(QUESTIONS)]) for number in range(turns)]
                used_s, heard_s = cpu_s(pid) - before_s, (caller.at_us - at_us) / 1e6
                return {
                    "turns": turns,
                    "latency_ms": {name: spread([each[name] for each in latencies]) for name in latencies[0]},
                    "cpu_ms_per_turn": round(used_s * 1000 / turns, 1),
                    "cpu_ms_per_second_heard": round(used_s * 1000 / heard_s, 1),
                    "cold_start_s": round(cold_start_s, 2),
                    "rss_mb": {"loaded": round(loaded_mb), "peak": round(rss_mb(pid, "VmHWM"))},
                }
        finally:
            await worker.kill()


def main() -> None:
    """Parses the arguments and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=30)
    result = asyncio.run(measure(parser.parse_args().turns))
    packages = {name: version(name) for name in ("onnxruntime", "numpy", "hibari-tts")}
    json.dump({"agent": result, "packages": packages, "machine": machine()}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
