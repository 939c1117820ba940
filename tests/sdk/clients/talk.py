"""What the Python clients of these tests share: their orders, recorded speech, the wait for what comes, the report."""

import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

SAMPLE_RATE = 24_000
CHUNK_S = 0.1
CHUNK_BYTES = int(SAMPLE_RATE * CHUNK_S) * 2
CHUNK_EVERY_S = CHUNK_S / 2
"""Twice as fast as it is spoken: the fabric reckons in media time."""
WITHIN_S = 30.0

ORDERS: dict[str, Any] = json.loads(sys.argv[-1]) if sys.argv[-1].startswith("{") else {}
"""{url, key, model, speech: {name: path of 24 kHz PCM}}."""

Event = dict[str, Any]


def weather_in(city: str) -> dict[str, Any]:
    """What the function of the conversation returns."""
    return {"city": city, "temperature_c": 21, "sky": "sunny"}


class Microphone:
    """Always on: silence where nothing is said. `send` takes PCM."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._send = send
        self._said = bytearray()
        self._recording = asyncio.create_task(self._record())

    def say(self, name: str) -> None:
        """Says a recording by its name in the orders."""
        self._said += Path(ORDERS["speech"][name]).read_bytes()

    async def off(self) -> None:
        """Records no more."""
        self._recording.cancel()
        await asyncio.gather(self._recording, return_exceptions=True)

    async def _record(self) -> None:
        while True:
            chunk = bytes(self._said[:CHUNK_BYTES]).ljust(CHUNK_BYTES, b"\0")
            del self._said[:CHUNK_BYTES]
            await self._send(chunk)
            await asyncio.sleep(CHUNK_EVERY_S)


class Events:
    """Keeps every server event, and lets one await those that come."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self._read = 0
        self._came = asyncio.Event()

    def add(self, event: Event) -> None:
        """One more."""
        self.all.append(event)
        self._came.set()

    async def next(self, kind: str) -> Event:
        """The next event of this kind; those before it count as read."""
        self._read, event = await self._find(kind, self._read)
        return event

    async def ever(self, kind: str) -> Event:
        """The first such event of all; nothing counts as read."""
        return (await self._find(kind, 0))[1]

    async def answer(self) -> Event:
        """The response that ends next, as far as it was completed."""
        while True:
            response: Event = (await self.next("response.done"))["response"]
            if response["status"] == "completed":
                return response

    async def _find(self, kind: str, start: int) -> tuple[int, Event]:
        while True:
            for index in range(start, len(self.all)):
                if self.all[index]["type"] == kind:
                    return index + 1, self.all[index]
            start = len(self.all)
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), WITHIN_S)
            except TimeoutError:
                last = [each["type"] for each in self.all[-8:]]
                raise TimeoutError(f"no {kind} came; the last were {last}") from None

    def audio(self, response_id: str) -> str:
        """The audio of one response, in base64."""
        kind = "response.output_audio.delta"
        deltas = [each for each in self.all if each["type"] == kind and each["response_id"] == response_id]
        return base64.b64encode(b"".join(base64.b64decode(each["delta"]) for each in deltas)).decode()


def words(response: Event) -> str:
    """What was written or spoken in a response."""
    parts = [part for item in response["output"] for part in item.get("content", ())]
    return " ".join(part.get("transcript") or part.get("text") or "" for part in parts)


def report(**result: object) -> None:
    """Reports to the test."""
    json.dump(result, sys.stdout)
