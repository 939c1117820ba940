"""`GET /v1/realtime`: the Realtime API on a WebSocket (RFC 6455), as the official SDKs open it.

One text frame holds one event. A sub-protocol is optional: SDKs on servers offer none, browsers offer `realtime` and
must get it back, and carry their key in another, because they cannot set headers.
"""

import asyncio
import contextlib
from collections import deque
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from transceiver.calls.call_service import CallService
from transceiver.calls.errors import CallRefused
from transceiver.calls.socket_call import SocketCall
from transceiver.session.actions import CloseReason
from transceiver.signalling.access.principal import Access, Principal
from transceiver.signalling.call_errors import refusal
from transceiver.signalling.call_request import wanted_session
from transceiver.signalling.deadline import lift_deadline
from transceiver.signalling.errors import ApiError

SUBPROTOCOL: Final = "realtime"
MAX_FRAME_BYTES: Final = 21 * 1024 * 1024
"""15 MiB of audio in base64, and what is around it. A longer one closes the connection (1009)."""
MAX_QUEUED_BYTES: Final = 8 * 1024 * 1024
"""Events that a reader may be behind with; one that is further behind is cut off (1008)."""
PING_EVERY_S: Final = 20.0
LAST_WORDS_WITHIN_S: Final = 2.0
"""How long a client may take to read what was sent before the end."""

_CLOSE_CODES: Final = {
    CloseReason.WORKER_LOST: WSCloseCode.INTERNAL_ERROR,
    CloseReason.SHUTDOWN: WSCloseCode.SERVICE_RESTART,
}


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
        self._code: int | None = None
        self._sending: asyncio.Task[None] | None = None
        self.overrun = False
        """Whether the reader was too slow."""

    def send(self, event: str) -> None:
        """See EventSocket."""
        if self._code is not None:
            return
        # Events are ASCII: a character is a byte.
        self._queued_bytes += len(event)
        self._queue.append(event)
        self._wake.set()
        if self._queued_bytes > self._max_queued_bytes:
            self.overrun = True
            self._code = WSCloseCode.POLICY_VIOLATION
            self._give_up()

    def end(self, reason: CloseReason) -> None:
        """See EventSocket."""
        if self._code is None:
            self._code = _CLOSE_CODES.get(reason, WSCloseCode.OK)
            self._wake.set()
            asyncio.get_running_loop().call_later(LAST_WORDS_WITHIN_S, self._give_up)

    async def run(self, reading: asyncio.Task[None]) -> None:
        """Sends until the end, then ends `reading` and closes. Returns also when the connection is gone."""
        self._sending = asyncio.create_task(self._send())
        await asyncio.wait({self._sending})
        if not self.overrun:
            # While a task reads, aiohttp does not wait for the client's own close frame, and a client whose frame meets
            # a connection that is gone takes the end for a failure.
            reading.cancel()
            await asyncio.wait({reading})
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LAST_WORDS_WITHIN_S):
                await self._socket.close(code=self._code or WSCloseCode.OK)

    async def _send(self) -> None:
        with contextlib.suppress(ConnectionError):
            while self._queue or self._code is None:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    event = self._queue.popleft()
                    await self._socket.send_str(event)
                    self._queued_bytes -= len(event)

    def _give_up(self) -> None:
        if self._sending is not None:
            self._sending.cancel()


class RealtimeSocketApi:
    """The endpoint."""

    def __init__(self, calls: CallService, access: Access) -> None:
        self._calls = calls
        self._access = access

    def add_routes(self, app: web.Application) -> None:
        """Registers it."""
        app.router.add_get("/v1/realtime", self.connect)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Opens a session, then carries its events until either side ends it.

        Whatever is wrong before that is an HTTP error.
        """
        principal = self._access.anyone(request)
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), heartbeat=PING_EVERY_S, max_msg_size=MAX_FRAME_BYTES)
        if not socket.can_prepare(request).ok:
            message = "This is a WebSocket endpoint: connect to it with a WebSocket client."
            raise ApiError(426, message, code="upgrade_required")
        writer = SocketWriter(socket)
        call = await self._open(request, principal, writer)
        transport = request.transport
        try:
            await socket.prepare(request)
            lift_deadline(request)
            reading = asyncio.create_task(_read(socket, call))
            sending = asyncio.create_task(writer.run(reading))
            call.open()
            await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            call.end(CloseReason.CLIENT_CLOSED)
        await asyncio.wait({sending})
        reading.cancel()
        if writer.overrun and transport is not None:
            # What a client does not read would keep the connection.
            transport.abort()
        await asyncio.wait({reading})
        return socket

    async def _open(self, request: web.Request, principal: Principal, writer: SocketWriter) -> SocketCall:
        if "call_id" in request.query:
            message = "Attaching to a call by 'call_id' is not supported yet: use the call's data channel."
            raise ApiError(400, message, code="unsupported_parameter", param="call_id")
        intent = request.query.get("intent")
        if intent not in {None, "transcription"}:
            message = "'intent' may be 'transcription' only."
            raise ApiError(400, message, code="invalid_value", param="intent")
        session = {"type": "transcription"} if intent is not None else {}
        wanted = wanted_session(principal, request.query.get("model"), session)
        try:
            return await self._calls.open_socket(writer, model=wanted.model, session=wanted.session)
        except CallRefused as error:
            raise refusal(error) from None


async def _read(socket: web.WebSocketResponse, call: SocketCall) -> None:
    """Passes the client's events on, no faster than they are taken, until the connection or the session ends."""
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"events are text")
        elif message.type is WSMsgType.TEXT:
            call.client_text(message.data)
            await call.ready()
