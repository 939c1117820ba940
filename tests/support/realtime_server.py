"""A server of the Realtime WebSocket by hand: it says what the test tells it, in any dialect, right or wrong."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.support.worker_scene import until

GA = {"type": "session.created", "event_id": "e", "session": {"type": "realtime", "id": "s", "audio": {}}}
BETA = {"type": "session.created", "session": {"id": "s", "modalities": ["text", "audio"], "voice": "alloy"}}
TURNS = {"type": "session.created", "id": "sess-1", "created": 1}
DUPLEX = {"type": "session.created", "session": {"id": "s", "capabilities": {"supports_barge_in": True}}}


class RealtimeServerByHand:
    """Keeps what clients say, and says what it is told.

    Attributes:
        url: base of its API.
        hello: what a client hears first; None: nothing.
        refusals: statuses of the next upgrades.
        said: what the latest client said.
        clients: how many connected.
        headers, queries: of the upgrades.
    """

    def __init__(self, hello: object) -> None:
        self.url = ""
        self.hello = hello
        self.refusals: deque[int] = deque()
        self.said: list[dict[str, Any]] = []
        self.clients = 0
        self.headers: list[dict[str, str]] = []
        self.queries: list[dict[str, str]] = []
        self._socket: web.WebSocketResponse | None = None

    async def upgrade(self, request: web.Request) -> web.StreamResponse:
        """A client."""
        self.headers.append(dict(request.headers))
        self.queries.append(dict(request.query))
        if self.refusals:
            return web.json_response({"error": {"message": "no"}}, status=self.refusals.popleft())
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        self._socket, self.said = socket, []
        self.clients += 1
        if self.hello is not None:
            await socket.send_str(self.hello if isinstance(self.hello, str) else json.dumps(self.hello))
        async for message in socket:
            self.said.append(json.loads(message.data))
        return socket

    async def say(self, kind: str, **fields: object) -> None:
        """One event."""
        await self.say_raw(json.dumps({"type": kind, **fields}))

    async def say_raw(self, text: str) -> None:
        """Anything."""
        assert self._socket is not None
        await self._socket.send_str(text)

    async def hang_up(self) -> None:
        """Closes the client's connection."""
        assert self._socket is not None
        await self._socket.close(code=1011)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """What the latest client said of one kind."""
        return [each for each in self.said if each["type"] == kind]

    async def heard(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Waits for the count-th event of a kind; returns it."""
        await until(lambda: len(self.of_kind(kind)) >= count)
        return self.of_kind(kind)[count - 1]


@asynccontextmanager
async def realtime_server(hello: object) -> AsyncIterator[RealtimeServerByHand]:
    """A running one on 127.0.0.1."""
    server = RealtimeServerByHand(hello)
    application = web.Application()
    application.add_routes([web.get("/v1/realtime", server.upgrade)])
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)
