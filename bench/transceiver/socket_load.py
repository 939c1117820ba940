"""Sessions on WebSockets: the load of `offhook bench realtime-sessions`, a process of its own.

    python -m bench.transceiver.socket_load \
        '{"url": "ws://…", "key": "…", "kind": "speaking", "sessions": 2, "slow": 1, "seconds": 10}'

Either so many sessions that say nothing (`idle`), or so many that speak all the time: 100 ms of PCM in each event, ten
a second, each due at a time that was fixed beforehand; every two seconds they commit and ask for an answer, which is as
long as what they said. Last, while they go on, come slow readers, who ask for more than they read until they are cut.
Says what it does in one JSON object per line; after some it waits for a line on standard input.
"""

import asyncio
import base64
import json
import random
import sys
import time
from typing import Any, Final

import aiohttp
import uvloop

from bench.transceiver.slow_readers import slow_readers, summary

APPEND_S: Final = 0.1
APPEND_BYTES: Final = 4800
APPENDS_PER_TURN: Final = 20
CONNECTS_PER_S: Final = 100
SETTLE_S: Final = 2.0
"""Also how long speakers speak before they are measured: a turn."""


def say(event: str, **figures: object) -> None:
    """Tells whoever measures."""
    print(json.dumps({"event": event, **figures}), flush=True)


class Speaker:
    """One session that speaks, and counts what it hears."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, audio: str) -> None:
        self._socket = socket
        self._append = json.dumps({"type": "input_audio_buffer.append", "audio": audio})
        self._asked_at = 0.0
        self.heard_chars = 0
        self.events = 0
        self.answers = 0
        self.errors = 0
        self.late_s: list[float] = []
        self.first_audio_s: list[float] = []

    def forget(self) -> None:
        """What has been counted so far does not count."""
        self.heard_chars = self.events = self.answers = self.errors = 0
        self.late_s, self.first_audio_s = [], []

    async def speak(self, begin: float) -> None:
        """Speaks until it is cancelled."""
        due = begin
        count = 0
        while True:
            await asyncio.sleep(due - time.monotonic())
            self.late_s.append(time.monotonic() - due)
            await self._socket.send_str(self._append)
            count += 1
            if count % APPENDS_PER_TURN == 0:
                await self._socket.send_str('{"type": "input_audio_buffer.commit"}')
                self._asked_at = time.monotonic()
                await self._socket.send_str('{"type": "response.create"}')
            due += APPEND_S

    async def listen(self) -> None:
        """Reads until the connection ends."""
        async for message in self._socket:
            # Only looked at as far as is needed: this process shares its core.
            head = message.data[:160]
            self.events += 1
            if '"response.output_audio.delta"' in head:
                self.heard_chars += len(message.data)
                if self._asked_at:
                    self.first_audio_s.append(time.monotonic() - self._asked_at)
                    self._asked_at = 0.0
            elif '"response.done"' in head:
                self.answers += 1
            elif '"error"' in head:
                self.errors += 1


async def connect(session: aiohttp.ClientSession, options: dict[str, Any], count: int) -> list[Any]:
    """So many connections, one after the other at their pace; each has read `session.created`."""
    sockets, took_s = [], []
    begin = time.monotonic()
    for number in range(count):
        await asyncio.sleep(begin + number / CONNECTS_PER_S - time.monotonic())
        before = time.monotonic()
        # aiohttp's own pings would be the load's and not the server's.
        socket = await session.ws_connect(options["url"], max_msg_size=0, autoping=True)
        first = await socket.receive_json()
        assert first["type"] == "session.created", first
        took_s.append(time.monotonic() - before)
        sockets.append(socket)
    say("connected", sessions=count, connect_ms=quantiles_ms(took_s))
    return sockets


async def idle(session: aiohttp.ClientSession, options: dict[str, Any]) -> None:
    """Sessions that say nothing."""
    sockets = await connect(session, options, options["sessions"])
    listeners = [asyncio.create_task(_drain(socket)) for socket in sockets]
    await asyncio.sleep(SETTLE_S)
    say("settled")
    await _go_on()
    say("begin")
    await asyncio.sleep(options["seconds"])
    say("end", sessions=_open(sockets))
    await _close(sockets, listeners)


async def speaking(session: aiohttp.ClientSession, options: dict[str, Any]) -> None:
    """Sessions that speak, and slow readers beside them."""
    sockets = await connect(session, options, options["sessions"])
    by_hand = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    for socket in sockets:
        await socket.send_json({"type": "session.update", "session": by_hand})
    await asyncio.sleep(SETTLE_S)
    say("settled")
    await _go_on()
    audio = base64.b64encode(random.Random(1).randbytes(APPEND_BYTES)).decode()
    speakers = [Speaker(socket, audio) for socket in sockets]
    listeners = [asyncio.create_task(speaker.listen()) for speaker in speakers]
    begin = time.monotonic() + 0.1
    spread = APPEND_S * APPENDS_PER_TURN / len(speakers)
    voices = [asyncio.create_task(each.speak(begin + number * spread)) for number, each in enumerate(speakers)]
    await asyncio.sleep(2 * SETTLE_S + 0.1)
    stretch = Stretch(speakers)
    say("begin")
    await asyncio.sleep(options["seconds"])
    say("end", sessions=_open(sockets), **stretch.figures())
    if options["slow"]:
        async with slow_readers(options["url"], session.headers, options["slow"]) as readers:
            stretch = Stretch(speakers)
            cuts = await asyncio.gather(*(reader.until_cut() for reader in readers))
        # Long enough for the others to show harm.
        await asyncio.sleep(SETTLE_S)
        say("slow_end", sessions=_open(sockets), readers=summary(cuts), **stretch.figures())
    await _close(sockets, [*listeners, *voices])


class Stretch:
    """Counts what happens to speakers from its beginning on."""

    def __init__(self, speakers: list[Speaker]) -> None:
        self._speakers = speakers
        for speaker in speakers:
            speaker.forget()
        self._started_at, self._used_s = time.monotonic(), time.process_time()

    def figures(self) -> dict[str, Any]:
        """What has happened so far."""
        seconds, speakers = time.monotonic() - self._started_at, self._speakers
        return {
            "seconds": seconds,
            "events_per_s": sum(each.events for each in speakers) / seconds,
            "answers": sum(each.answers for each in speakers),
            "errors": sum(each.errors for each in speakers),
            "heard_share": heard_share(sum(each.heard_chars for each in speakers), len(speakers) * seconds),
            "first_audio_ms": quantiles_ms([value for each in speakers for value in each.first_audio_s]),
            "load_late_ms": quantiles_ms([value for each in speakers for value in each.late_s]),
            "load_cpu_share_of_core": (time.process_time() - self._used_s) / seconds,
        }


def _open(sockets: list[aiohttp.ClientWebSocketResponse]) -> int:
    return sum(not socket.closed for socket in sockets)


def heard_share(chars: int, session_seconds: float) -> float:
    """How much of what was said came back, by its base64 (what is around it in an event counts as well)."""
    return round(chars / (session_seconds / APPEND_S * APPEND_BYTES * 4 / 3), 3)


def quantiles_ms(values_s: list[float]) -> dict[str, float]:
    """Median, 99th percentile and greatest, in milliseconds; empty of none."""
    if not values_s:
        return {}
    ordered = sorted(values_s)
    picked = {"p50": len(ordered) // 2, "p99": int(len(ordered) * 0.99), "max": len(ordered) - 1}
    return {name: round(ordered[min(index, len(ordered) - 1)] * 1000, 2) for name, index in picked.items()}


async def _drain(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass


async def _go_on() -> None:
    await asyncio.to_thread(sys.stdin.readline)


async def _close(sockets: list[aiohttp.ClientWebSocketResponse], tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await asyncio.gather(*(socket.close() for socket in sockets))


async def main(options: dict[str, Any]) -> None:
    """Everything, in order."""
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": f"Bearer {options['key']}"}
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        # First ones make a server load and allocate what it keeps.
        await _close(await connect(session, options, 20), [asyncio.create_task(asyncio.sleep(0.5))])
        say("ready")
        await _go_on()
        await (idle if options["kind"] == "idle" else speaking)(session, options)


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
