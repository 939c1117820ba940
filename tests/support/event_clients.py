"""Real clients on each transport of the Realtime API behind one face: a WebSocket, a data channel, beside a call."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiohttp

from tests.support.event_reader import EventReader
from tests.support.live_caller import LiveCaller
from tests.support.openai_events import check_server_event
from tests.support.socket_scene import SocketClient, connected
from tests.support.webrtc_client import ClientOptions
from tests.support.whole_transceiver import CALLS, WholeTransceiver
from tests.support.worker_scene import DEADLINE_S

Event = dict[str, Any]


class EventClient(Protocol):
    """One client. Every event that it reads is held against the official SDK's models."""

    @property
    def events(self) -> list[Event]:
        """All that has come."""

    async def send(self, event: Event) -> None:
        """Sends an event."""

    async def read_until(self, enough: Callable[[], bool]) -> None:
        """Reads until there is enough; it is asked after each event."""


class OnSocket:
    """On a WebSocket, of a session's own or beside a call."""

    def __init__(self, client: SocketClient) -> None:
        self._client = client

    @property
    def events(self) -> list[Event]:
        return self._client.events

    async def send(self, event: Event) -> None:
        await self._client.socket.send_str(json.dumps(event))

    async def read_until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            event = json.loads(await self._client.socket.receive_str(timeout=DEADLINE_S))
            check_server_event(event)
            self.events.append(event)


class OnDataChannel:
    """On a call's data channel."""

    def __init__(self, caller: LiveCaller, reader: EventReader) -> None:
        self.caller = caller
        self._reader = reader

    @property
    def events(self) -> list[Event]:
        return self._reader.events

    async def send(self, event: Event) -> None:
        given = dict(event)
        self._reader.send(given.pop("type"), **given)

    async def read_until(self, enough: Callable[[], bool]) -> None:
        awaited = f"enough after {self.events[-1:]}"
        await self.caller.until(lambda: self._reader.progress() and enough(), awaited, within_s=DEADLINE_S)


@asynccontextmanager
async def on_socket(house: WholeTransceiver, query: str) -> AsyncIterator[OnSocket]:
    """A client that has read `session.created`."""
    async with connected(house, query) as client:
        await client.event("session.created")
        yield OnSocket(client)


@asynccontextmanager
async def on_data_channel(house: WholeTransceiver, model: str) -> AsyncIterator[OnDataChannel]:
    """A caller that has read `session.created`, and hangs up at the end."""
    async with LiveCaller(house, ClientOptions(data_channel=True)) as caller:
        await caller.call(path=f"{CALLS}?model={model}")
        reader = EventReader(caller)
        await reader.event("session.created")
        try:
            yield OnDataChannel(caller, reader)
        finally:
            # The house may be gone by then.
            with contextlib.suppress(aiohttp.ClientError):
                await caller.request("POST", f"{CALLS}/{caller.call_id}/hangup")
