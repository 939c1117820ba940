"""WebSockets (RFC 6455) that carry the Realtime API's events, one in each text frame: limits, pings, slow readers.

A sub-protocol is optional: SDKs on servers offer none, browsers offer `realtime` and must get it back.
"""

import asyncio
import contextlib
from collections import deque
from typing import Final

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

from transceiver.calls.event_socket import SocketUser
from transceiver.session.actions import CloseReason
from transceiver.signalling.deadline import lift_deadline
from transceiver.signalling.errors import ApiError

SUBPROTOCOL: Final = "realtime"
MAX_FRAME_BYTES: Final = 21 * 1024 * 1024
"""15 MiB of audio in base64, and what is around it. A longer one closes the connection (1009)."""
MAX_QUEUED_BYTES: Final = 8 * 1024 * 1024
"""Events that a reader may be behind with; one that is further behind is cut off (1008)."""
PING_EVERY_S: Final = 20.0
LAST_WORDS_WITHIN_S: Final = 2.0
"""How long the other end may take to read what was sent before the end, and to say goodbye itself."""

_CLOSE_CODES: Final = {
    CloseReason.WORKER_LOST: WSCloseCode.INTERNAL_ERROR,
    CloseReason.SHUTDOWN: WSCloseCode.SERVICE_RESTART,
}
_RESERVED_CODES: Final = frozenset({None, 1005, WSCloseCode.ABNORMAL_CLOSURE, 1015})
"""Never in a frame (RFC 6455 section 7.4.1)."""


def event_socket(request: web.Request) -> web.WebSocketResponse:
    """The answer to a request that opens a WebSocket, not sent yet.

    Raises:
        ApiError: 426, it opens none.
    """
    socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), heartbeat=PING_EVERY_S, max_msg_size=MAX_FRAME_BYTES)
    if not socket.can_prepare(request).ok:
        message = "This is a WebSocket endpoint: connect to it with a WebSocket client."
        raise ApiError(426, message, code="upgrade_required")
    return socket


class SocketWriter:
    """Sends events in order without blocking whoever has them. Implements EventSocket.

    Args:
        max_queued_bytes: more waiting than that ends the connection: the reader is too slow.
    """

    def __init__(self, socket: web.WebSocketResponse, *, max_queued_bytes: int = MAX_QUEUED_BYTES) -> None:
        self._socket = socket
        self._max_queued_bytes = max_queued_bytes
        self._queue: deque[str] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self.close_code: int | None = None
        """How it ends; None while it goes on."""

    def send(self, event: str) -> None:
        """See EventSocket."""
        if self.close_code is not None:
            return
        # Events are ASCII: a character is a byte.
        self._queued_bytes += len(event)
        self._queue.append(event)
        self._wake.set()
        if self._queued_bytes > self._max_queued_bytes:
            self.close_code = WSCloseCode.POLICY_VIOLATION
            self._give_up()

    def end(self, reason: CloseReason) -> None:
        """See EventSocket."""
        if self.close_code is None:
            self.close_code = _CLOSE_CODES.get(reason, WSCloseCode.OK)
            self._wake.set()
            asyncio.get_running_loop().call_later(LAST_WORDS_WITHIN_S, self._give_up)

    async def run(self) -> None:
        """Sends until the end, or until the connection is gone."""
        self._sending = asyncio.create_task(self._send())
        await asyncio.wait({self._sending})

    async def _send(self) -> None:
        with contextlib.suppress(ConnectionError):
            while self._queue or self.close_code is None:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    event = self._queue.popleft()
                    await self._socket.send_str(event)
                    self._queued_bytes -= len(event)

    def _give_up(self) -> None:
        if self._sending is not None:
            self._sending.cancel()


async def carry(
    request: web.Request, socket: web.WebSocketResponse, writer: SocketWriter, user: SocketUser
) -> web.WebSocketResponse:
    """Carries events between the other end and `user` until either ends it; then `user` has been told that it left.

    What `user` has written before is sent first.
    """
    transport = request.transport
    try:
        await socket.prepare(request)
        lift_deadline(request)
        sending = asyncio.create_task(writer.run())
        reading = asyncio.create_task(_read(socket, user))
        await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        user.left()
        writer.end(CloseReason.CLIENT_CLOSED)
    await asyncio.wait({sending})
    # Closing waits for the other end's goodbye, which nobody else may read meanwhile.
    reading.cancel()
    await asyncio.wait({reading})
    await _close(socket, transport, writer.close_code)
    return socket


async def relay_socket(request: web.Request, upstream: aiohttp.ClientWebSocketResponse) -> web.WebSocketResponse:
    """Carries frames between the other end and another transceiver, no faster than either reads, until one ends it."""
    socket, transport = event_socket(request), request.transport
    await socket.prepare(request)
    lift_deadline(request)
    pumps = {asyncio.create_task(_pump(socket, upstream)), asyncio.create_task(_pump(upstream, socket))}
    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    for pump in pumps:
        pump.cancel()
    await asyncio.wait(pumps)
    await _close(socket, transport, upstream.close_code)
    return socket


async def _read(socket: web.WebSocketResponse, user: SocketUser) -> None:
    """Passes the other end's events on, no faster than they are taken, until the connection or the session ends."""
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"events are text")
        elif message.type is WSMsgType.TEXT:
            user.client_text(message.data)
            await user.ready()


async def _pump(
    source: "web.WebSocketResponse | aiohttp.ClientWebSocketResponse",
    sink: "web.WebSocketResponse | aiohttp.ClientWebSocketResponse",
) -> None:
    with contextlib.suppress(ConnectionError):
        async for message in source:
            if message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await sink.send_bytes(message.data)


async def _close(socket: web.WebSocketResponse, transport: asyncio.Transport | None, code: int | None) -> None:
    """Says goodbye and waits for the other end to do so; one that does not read far enough to hear it is cut off."""
    code = WSCloseCode.GOING_AWAY if code is None or code in _RESERVED_CODES else code
    try:
        async with asyncio.timeout(LAST_WORDS_WITHIN_S):
            # A sender that was cancelled while it waited for room has spoiled that waiting for everybody.
            await socket.close(code=code, drain=False)
    except TimeoutError:
        # What is not read would keep the connection.
        if transport is not None:
            transport.abort()
    except ConnectionError:
        pass
