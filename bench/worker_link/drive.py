"""The transceiver's end of a run, in a process of its own: `python -m bench.worker_link.drive …`, JSON out.

Open loop: a frame's time is fixed beforehand, and its delay counts from that time, however late this process sent it.
"""

import asyncio
import json
import sys
import time
from typing import Any

import uvloop
from offhook_proto.worker.v1 import worker_pb2

from bench.process import Process
from bench.worker_link.batching import INTERVAL_MS, use
from transceiver.worker_link import LostReason, WorkerLinkSettings, WorkerPool, WorkerSession

FRAME_S = 0.02
PAYLOAD_BYTES = 160
WARM_UP_S = 1.0
SETTLE_S = 0.5
"""For what is still on its way at the end."""
_OPUS = worker_pb2.AudioFormat(codec=worker_pb2.CODEC_OPUS, sample_rate_hz=48_000, channels=2)


class Caller:
    """One session: sends numbered frames, notes when each came back."""

    def __init__(self, phase_s: float) -> None:
        self.phase_s = phase_s
        self.due: list[float] = []
        self.delays: list[float] = []
        self.returned = 0
        self.counts_from = float("inf")
        self.session: WorkerSession | None = None

    def send(self, due: float) -> None:
        """The frame that was due then."""
        assert self.session is not None
        number = len(self.due)
        self.due.append(due)
        payload = number.to_bytes(4, "big") + bytes(PAYLOAD_BYTES - 4)
        self.session.send_audio(payload, number * 20_000, 20_000, level=30)

    def worker_audio(self, frame: worker_pb2.AudioFrame) -> None:
        """It came back: the worker may send as much again."""
        assert self.session is not None
        self.returned += 1
        due = self.due[int.from_bytes(frame.payload[:4], "big")]
        if due >= self.counts_from:
            self.delays.append(time.monotonic() - due)
        if self.returned % 50 == 0:
            self.session.grant_output(1000)

    def worker_text(self, response_id: str, delta: str) -> None:
        """Not of an echo."""

    def worker_transcript(self, response_id: str, delta: str, audio_start_us: int) -> None:
        """Not of an echo."""

    def worker_message(self, output: worker_pb2.SessionOutput) -> None:
        """Not of an echo."""

    def worker_ended(self) -> None:
        """Not of an echo."""

    def worker_lost(self, reason: LostReason) -> None:
        """The run is worth nothing, unless it is over."""
        if reason is not LostReason.STOPPED:
            raise SystemExit(f"the worker was lost: {reason}")


async def drive(way: str, address: str, sessions: int, seconds: float, worker_pid: int) -> dict[str, Any]:
    """One run."""
    # A worker that cannot keep up is to be seen falling behind, not to be taken for dead.
    settings = WorkerLinkSettings(batch_interval_ms=INTERVAL_MS[way], ping_timeout_s=60.0, accept_timeout_s=30.0)
    pool = WorkerPool([address], "bench", settings)
    following = asyncio.create_task(pool.follow())
    await pool.wait_ready()
    callers = [Caller(FRAME_S * index / sessions) for index in range(sessions)]
    for caller in callers:
        caller.session = await pool.open(
            model="echo", call_id="rtc_bench", input_format=_OPUS, config=worker_pb2.SessionConfig(), listener=caller
        )
    began_at = time.monotonic() + 0.1
    await _play(callers, began_at, began_at + WARM_UP_S)
    for caller in callers:
        caller.counts_from = began_at + WARM_UP_S
    own, worker = Process.own(), Process(worker_pid)
    before = (own.cpu(), worker.cpu(), pool.counters.messages_sent, pool.counters.messages_received)
    lateness = await _play(callers, began_at + WARM_UP_S, began_at + WARM_UP_S + seconds)
    after = (own.cpu(), worker.cpu(), pool.counters.messages_sent, pool.counters.messages_received)
    await asyncio.sleep(SETTLE_S)
    frames = sessions * round(seconds / FRAME_S)
    delays = sorted(delay for caller in callers for delay in caller.delays)
    load_delay_ms = max((load.queue_delay_ms_p95 for load in pool.loads()), default=0.0)
    following.cancel()
    await pool.stop()
    used_s = {
        "transceiver": after[0].running - before[0].running,
        "worker": after[1].running - before[1].running,
    }
    used_s["both"] = sum(used_s.values())
    return {
        "way": way,
        "sessions": sessions,
        "frames_each_way": frames,
        "returned_share": round(len(delays) / frames, 4),
        "cpu_us_per_frame": {name: round(cpu_s / frames * 1e6, 1) for name, cpu_s in used_s.items()},
        "cores_used": {name: round(cpu_s / seconds, 3) for name, cpu_s in used_s.items()},
        "frames_per_message": {
            "to_worker": round(frames / max(1, after[2] - before[2]), 1),
            "from_worker": round(frames / max(1, after[3] - before[3]), 1),
        },
        "round_trip_ms": _quantiles(delays),
        "worker_queue_delay_ms_p95": round(load_delay_ms, 2),
        "sent_late_ms": _quantiles(sorted(lateness)),
    }


async def _play(callers: list[Caller], start: float, end: float) -> list[float]:
    """Sends every frame that is due from `start` to `end`; how late each was sent."""
    lateness = []
    slots = [(caller, start + caller.phase_s) for caller in callers]
    while slots[0][1] < end:
        for caller, due in slots:
            now = time.monotonic()
            if due > now:
                # Half a frame of the schedule is slept at once, so that the schedule itself costs little.
                await asyncio.sleep(max(0.001, due - now))
            lateness.append(max(0.0, time.monotonic() - due))
            caller.send(due)
        await asyncio.sleep(0)
        slots = [(caller, due + FRAME_S) for caller, due in slots]
    return lateness


def _quantiles(ordered: list[float]) -> dict[str, float]:
    """In milliseconds."""
    if not ordered:
        return {}
    at = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * q))] * 1000, 2) for name, q in at.items()}


def main() -> None:
    """Runs and prints."""
    way, address, sessions, seconds, worker_pid = sys.argv[1:6]
    use(way)
    result = uvloop.run(drive(way, address, int(sessions), float(seconds), int(worker_pid)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
