"""Callers on the Realtime API's WebSocket: a process that shares a run's schedule, as `bench/caller` does with WebRTC.

    python -m bench.calls.socket_callers '{"url": "ws://…", "rate": 10, "run": {"calls": {…}}}'

It takes the same options and says the same events (`bench/caller/src/calls.rs`); a packet is an event that holds audio:
100 ms of PCM at 24 kHz towards the target, however long ones from it.
"""

import array
import asyncio
import base64
import json
import os
import ssl
import sys
import time
import wave
from collections import Counter, defaultdict
from typing import Any, Final

import aiohttp
import uvloop

from bench.calls.socket_turns import Does, Turns
from bench.client import CRATE
from bench.report.histograms import recorded

RECORDING: Final = CRATE / "src" / "speech.wav"
APPEND_S: Final = 0.1
APPEND_SAMPLES: Final = 2400
GRACE_S: Final = 1.0
TOLD_AFTER_S: Final = 2.0
CLOSED_NORMALLY: Final = 1000
BYTES_PER_S: Final = 48_000
HISTOGRAMS: Final = ("setup", "first_audio", "interruption", "generator_late", "generator_offers_late")


def say(event: str, **figures: object) -> None:
    """Tells whoever started this process."""
    print(json.dumps({"event": event, **figures}), flush=True)


def appends() -> tuple[list[str], str]:
    """The sentence as append events, and silence as one. Of every two samples at 16 kHz three are made."""
    with wave.open(str(RECORDING)) as file:
        samples = array.array("h", file.readframes(file.getnframes()))
    risen = array.array("h")
    for first, second in zip(samples[::2], samples[1::2], strict=False):
        risen.extend((first, (first + second) // 2, second))
    silence = array.array("h", bytes(2 * APPEND_SAMPLES))
    parts = [risen[at : at + APPEND_SAMPLES] for at in range(0, len(risen) - APPEND_SAMPLES + 1, APPEND_SAMPLES)]
    return [_append(part) for part in parts], _append(silence)


def _append(samples: "array.array[int]") -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(samples.tobytes()).decode()})


class Crowd:
    """All callers of this process, and what they measure."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.plan: dict[str, Any] = options["run"]["calls"]
        self.begin = time.monotonic()
        self.end_s: float = self.plan["measure_to_s"]
        self.sentence, self.silence = appends()
        self.seconds: dict[int, Counter[str]] = defaultdict(Counter)
        self.times: dict[str, list[int]] = {name: [] for name in HISTOGRAMS}
        self.failures: dict[str, tuple[int, str]] = {}
        self.totals: Counter[str] = Counter()
        self.active = 0
        self.most_at_once = 0
        self.setting_up = 0

    def now_s(self) -> float:
        """On the timeline."""
        return time.monotonic() - self.begin

    def count(self, name: str) -> None:
        """Counts it in this second, and in all if it is measured."""
        at_s = self.now_s()
        self.seconds[int(at_s)][name] += 1
        if self.plan["measure_from_s"] <= at_s < self.end_s:
            self.totals[name] += 1

    def time(self, name: str, seconds: float) -> None:
        """A time, if it is measured."""
        if self.plan["measure_from_s"] <= self.now_s() < self.end_s:
            self.times[name].append(round(seconds * 1e6))

    def fail(self, cause: str, detail: str) -> None:
        """A call has failed."""
        count, first = self.failures.get(cause, (0, detail))
        self.failures[cause] = (count + 1, first)
        self.seconds[int(self.now_s())]["failures"] += 1

    async def place(self, session: aiohttp.ClientSession) -> None:
        """Places the calls that are this process's when they are due."""
        plan = self.plan
        async with asyncio.TaskGroup() as calls:
            for index in range(plan["process"], plan["calls"], plan["processes"]):
                due_s = index / self.options["rate"]
                await asyncio.sleep(due_s - self.now_s())
                if self.now_s() >= self.end_s:
                    return
                calls.create_task(Caller(self, session, due_s).call())
                self.totals["begun"] += 1

    async def tell(self) -> None:
        """Says what was in each second, two seconds later."""
        second, used_s = 0, time.process_time()
        while True:
            self.seconds[int(self.now_s())]["active"] = self.active
            if self.now_s() >= second + TOLD_AFTER_S:
                present_s = time.process_time()
                self.say_second(second, present_s - used_s)
                second, used_s = second + 1, present_s
            await asyncio.sleep(0.1)

    def say_second(self, second: int, cpu_share: float) -> None:
        """Says one second."""
        counts = self.seconds.pop(second, Counter())
        names = ("active", "sent", "arrived", "setups", "failures", "lost")
        none = {"echoed": 0, "missing": 0, "gaps": [], "gaps_unlisted": 0, "round_trip_us": None}
        say("second", second=second, cpu_share_of_core=cpu_share, **{name: counts[name] for name in names}, **none)

    def last_words(self, interrupted: bool) -> None:
        """Says what is left, and all of it."""
        for second in sorted(number for number in self.seconds if number < self.end_s):
            self.say_second(second, 0.0)
        none = dict.fromkeys(("echoed", "duplicates", "reordered", "missing", "late", "unsent"), 0)
        say(
            "end",
            interrupted=interrupted,
            measured_s=max(0.0, self.end_s - self.plan["measure_from_s"]),
            calls={
                **{name: self.totals[name] for name in ("begun", "up", "lost")},
                "most_at_once": self.most_at_once,
                "cut_off": self.setting_up,
            },
            failures={cause: {"count": count, "first": first} for cause, (count, first) in self.failures.items()},
            packets={**none, "sent": self.totals["sent"], "arrived": self.totals["arrived"]},
            histograms={name: recorded(values).encode().decode() for name, values in self.times.items()},
        )


class Caller:
    """One connection."""

    def __init__(self, crowd: Crowd, session: aiohttp.ClientSession, due_s: float) -> None:
        self._crowd = crowd
        self._session = session
        self._due_s = due_s
        self._turns = Turns(interrupts=crowd.plan["profile"] == "barge-in")
        self._quiet = crowd.plan["profile"] == "echo"

    async def call(self) -> None:
        """From when it is due to when it leaves, or fails."""
        crowd = self._crowd
        crowd.times["generator_offers_late"].append(max(1, round((crowd.now_s() - self._due_s) * 1e6)))
        crowd.setting_up += 1
        try:
            async with asyncio.timeout(crowd.options["setup_timeout_s"]):
                socket = await self._session.ws_connect(crowd.options["url"], max_msg_size=0)
                first = await socket.receive()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            crowd.fail(_cause(error), " ".join(str(error).split())[:200])
            return
        finally:
            crowd.setting_up -= 1
        if first.type is not aiohttp.WSMsgType.TEXT or '"session.created"' not in first.data[:200]:
            crowd.fail("bad_answer", f"not session.created: {str(first.data)[:150]}")
            return
        crowd.times["setup"].append(round((crowd.now_s() - self._due_s) * 1e6))
        crowd.totals["up"] += 1
        crowd.seconds[int(crowd.now_s())]["setups"] += 1
        crowd.active += 1
        crowd.most_at_once = max(crowd.most_at_once, crowd.active)
        try:
            await self._talk(socket)
        finally:
            crowd.active -= 1
            await socket.close()

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        crowd = self._crowd
        hold_s = crowd.plan["hold_s"]
        leaves_s = crowd.end_s + GRACE_S if hold_s is None else crowd.now_s() + hold_s
        speaking = asyncio.create_task(self._speak(socket))
        listening = asyncio.create_task(self._listen(socket))
        done, waiting = await asyncio.wait(
            {speaking, listening}, timeout=leaves_s - crowd.now_s(), return_when=asyncio.FIRST_COMPLETED
        )
        for task in waiting:
            task.cancel()
        if done:
            self._was_left(socket, done)

    def _was_left(self, socket: aiohttp.ClientWebSocketResponse, done: "set[asyncio.Task[None]]") -> None:
        """The connection ended before its time, or no answer came."""
        for task in done:
            error = task.exception()
            if error is not None and not isinstance(error, ConnectionError | aiohttp.ClientError):
                raise error
        crowd = self._crowd
        if self._turns.gave_up:
            crowd.fail("no_answer", "nothing within ten seconds of the end of what it said")
            return
        code = socket.close_code
        crowd.fail("closed_by_target" if code == CLOSED_NORMALLY else "connection_lost", f"close code {code}")
        crowd.totals["lost"] += 1
        crowd.seconds[int(crowd.now_s())]["lost"] += 1

    async def _speak(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        crowd, turns = self._crowd, self._turns
        due_s = crowd.now_s()
        said = len(crowd.sentence)
        while not turns.gave_up:
            await asyncio.sleep(due_s - crowd.now_s())
            if not self._quiet:
                does = turns.tick(due_s)
                if does is Does.SPEAK:
                    said = 0
                    turns.speaks(due_s, due_s + APPEND_S * len(crowd.sentence))
                text = crowd.sentence[said] if said < len(crowd.sentence) else crowd.silence
                said += 1
                late_s = crowd.now_s() - due_s
                await socket.send_str(text)
                crowd.count("sent")
                crowd.time("generator_late", late_s)
            due_s += APPEND_S

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        crowd, turns = self._crowd, self._turns
        async for message in socket:
            head = message.data[:160] if message.type is aiohttp.WSMsgType.TEXT else ""
            now_s = crowd.now_s()
            if '"response.output_audio.delta"' in head:
                crowd.count("arrived")
                first_s = turns.hears(now_s, len(json.loads(message.data)["delta"]) * 3 / 4 / BYTES_PER_S)
                if first_s is not None:
                    crowd.time("first_audio", first_s)
            elif '"input_audio_buffer.speech_started"' in head:
                stopped_s = turns.is_heard(now_s)
                if stopped_s is not None:
                    crowd.time("interruption", stopped_s)


def _cause(error: BaseException) -> str:
    match error:
        case aiohttp.WSServerHandshakeError(status=401 | 403):
            return "unauthorized"
        case aiohttp.WSServerHandshakeError(status=429 | 503):
            return "busy"
        case aiohttp.WSServerHandshakeError(status=status):
            return "server_error" if status >= 500 else "refused"
        case aiohttp.ClientConnectorError() | ConnectionRefusedError():
            return "unreachable"
        case TimeoutError():
            return "http_timeout"
        case _:
            return "http_broken"


async def main(options: dict[str, Any]) -> None:
    """Everything, in order."""
    crowd = Crowd(options)
    key = os.environ.get("OFFHOOK_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    ca_file = options["ca_file"]
    trusted = ssl.create_default_context(cafile=ca_file) if ca_file is not None else True
    connector = aiohttp.TCPConnector(limit=0, ssl=trusted)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        orders = await _orders()
        say("ready")
        if not await orders.readline():
            return
        crowd.begin = time.monotonic()
        say("begin")
        stopped = asyncio.create_task(orders.readline())
        telling = asyncio.create_task(crowd.tell())
        calls = asyncio.create_task(crowd.place(session))
        longest_s = crowd.end_s + GRACE_S + options["setup_timeout_s"]
        await asyncio.wait({stopped, calls}, timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
        if calls.done():
            calls.result()
        interrupted = stopped.done()
        if interrupted:
            crowd.end_s = min(crowd.end_s, crowd.now_s())
        elif crowd.now_s() < crowd.end_s:
            # All have failed or left: the schedule goes on, for the other processes.
            await asyncio.wait({stopped}, timeout=crowd.end_s - crowd.now_s())
        for task in (calls, telling, stopped):
            task.cancel()
        await asyncio.wait({calls, telling, stopped})
        crowd.last_words(interrupted)


async def _orders() -> asyncio.StreamReader:
    """Standard input. Not by a thread: one that waits there holds up the end, and hides the error that led to it."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
