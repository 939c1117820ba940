"""The listening sockets of the web application, and what a connection may cost before there is a request on it.

A request has a time limit of its own (`deadline`), and a connection between two requests one of aiohttp's. Left are
connections whose first request never comes, or comes byte by byte, and connections without number.
"""

import asyncio
import socket
import ssl
from typing import Final, cast

from aiohttp import web
from aiohttp.typedefs import Handler

TLS_WITHIN_S: Final = 10.0
_GRACE_S: Final = 1.0
_BACKLOG: Final = 128
_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class _Refusal(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says so and ends it."""
        writing = cast("asyncio.WriteTransport", transport)
        writing.write(_FULL)
        writing.close()


class HttpListeners:
    """See the module's docstring.

    Args:
        app: what is served.
        max_connections: on all sockets together; the public one refuses more (503).
        headers_within_s: from the connection to the end of its first request's headers; then it is closed.
    """

    def __init__(self, app: web.Application, *, max_connections: int, headers_within_s: float) -> None:
        app.middlewares.insert(0, self._heard)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_GRACE_S)
        self._max_connections = max_connections
        self._headers_within_s = headers_within_s
        self._silent: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        self._listening: list[asyncio.Server] = []
        self.refused = 0
        """Connections too many."""
        self.timed_out = 0
        """Connections whose headers did not come in time."""

    async def open(self) -> None:
        """Makes the application ready."""
        await self._runner.setup()

    async def listen(self, bound: socket.socket, *, bounded: bool, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        """Serves a bound socket. The server's `close` ends that for new connections only.

        Args:
            bound: with TLS, if there is a context.
            bounded: refuses connections too many. Not for the socket of other transceivers, which strangers must not
                be able to lock out.
        """
        server = await asyncio.get_running_loop().create_server(
            self._make_bounded if bounded else self._make,
            sock=bound,
            backlog=_BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=TLS_WITHIN_S if tls is not None else None,
        )
        self._listening.append(server)
        return server

    async def close(self) -> None:
        """Ends everything; what is being answered has a moment more."""
        for server in self._listening:
            server.close()
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()
        await self._runner.cleanup()

    def _make_bounded(self) -> asyncio.Protocol:
        if len(self._server.connections) >= self._max_connections:
            self.refused += 1
            return _Refusal()
        return self._make()

    def _make(self) -> asyncio.Protocol:
        connection = self._server()
        loop = asyncio.get_running_loop()
        self._silent[connection] = loop.call_later(self._headers_within_s, self._too_late, connection)
        return connection

    def _too_late(self, connection: web.RequestHandler) -> None:
        del self._silent[connection]
        if connection.transport is not None:
            self.timed_out += 1
            connection.transport.abort()

    @web.middleware
    async def _heard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        timer = self._silent.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        return await handler(request)

    @property
    def _server(self) -> web.Server:
        server = self._runner.server
        assert server is not None, "not open"
        return server
