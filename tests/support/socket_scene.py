"""A whole transceiver with a model that says back what it hears, and clients on WebSockets before it."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from offhook_worker import Capability, Model, ServeOptions, Speech, Turn, TurnWorker
from offhook_worker.model import pcm
from offhook_worker.replies import Reply

from tests.support.openai_events import check_server_event
from tests.support.whole_transceiver import WholeTransceiver, config, whole_transceiver
from tests.support.worker_scene import DEADLINE_S, serving

MODEL = "parrot"
BY_HAND = {"audio": {"input": {"turn_detection": None}}}


class Parrot(TurnWorker):
    """Says back what was said, at 16 kHz both ways, and what was typed as text."""

    models = (Model(MODEL, (pcm(16_000),), (pcm(16_000),), frozenset({Capability.TEXT_INPUT, Capability.TEXT_OUTPUT})),)

    async def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        if turn.audio is None or not turn.wants_speech:
            yield turn.text
        else:
            yield Speech(turn.audio.pcm, "So you said.")


class SocketClient:
    """One client. Every event that it reads is held against the official SDK's models."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def send(self, kind: str, **fields: object) -> None:
        """Sends an event."""
        await self.socket.send_str(json.dumps({"type": kind, **fields}))

    async def append(self, audio: bytes) -> None:
        """Sends audio."""
        await self.send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    async def event(self, kind: str) -> dict[str, Any]:
        """The next event of this kind; those before it are kept in `events`."""
        while True:
            text = await self.socket.receive_str(timeout=DEADLINE_S)
            event: dict[str, Any] = json.loads(text)
            check_server_event(event)
            self.events.append(event)
            if event["type"] == kind:
                return event

    async def configure(self, **session: object) -> dict[str, Any]:
        """Updates the session; what it is then."""
        await self.send("session.update", session={"type": "realtime", **session})
        updated: dict[str, Any] = (await self.event("session.updated"))["session"]
        return updated

    def audio(self) -> bytes:
        """All audio so far."""
        deltas = [each["delta"] for each in self.events if each["type"] == "response.output_audio.delta"]
        return b"".join(base64.b64decode(delta) for delta in deltas)


@asynccontextmanager
async def parrot_house(directory: Path, **given: Any) -> AsyncIterator[WholeTransceiver]:  # noqa: ANN401 - see `config`
    """A transceiver with a Parrot."""
    async with (
        serving(Parrot(), ServeOptions()) as (_, address),
        whole_transceiver(config(directory, workers=(address,), **given), directory) as transceiver,
    ):
        yield transceiver


@asynccontextmanager
async def connected(
    transceiver: WholeTransceiver,
    query: str = f"model={MODEL}",
    **options: Any,  # noqa: ANN401 - of `ws_connect`
) -> AsyncIterator[SocketClient]:
    """A client that has connected."""
    headers = options.pop("headers", transceiver.headers)
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{transceiver.http}/v1/realtime?{query}", **options) as socket,
    ):
        yield SocketClient(socket)
