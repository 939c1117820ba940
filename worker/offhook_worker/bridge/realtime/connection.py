"""The WebSocket to a Realtime server."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from offhook_worker.bridge.faults import Fault, UpstreamFault
from offhook_worker.bridge.realtime.dialect import Dialect, dialect_of
from offhook_worker.bridge.realtime.requests import ClientEvent
from offhook_worker.bridge.settings import InvalidSettings, RealtimeServer

ROLE = "realtime"
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_HEARTBEAT_S = 15.0


class Connection:
    """One open connection, whose server has said hello.

    Attributes:
        dialect: what it speaks.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, dialect: Dialect) -> None:
        self.dialect = dialect
        self._socket = socket

    @classmethod
    async def open(cls, client: aiohttp.ClientSession, server: RealtimeServer) -> "Connection":
        """Connects.

        Raises:
            UpstreamFault: the server cannot be reached, refuses, or speaks what this bridge does not.
        """
        try:
            headers = {**server.headers, **server.authorization()}
            async with asyncio.timeout(server.connect_timeout_s):
                socket = await client.ws_connect(
                    server.socket_url, headers=headers, max_msg_size=MAX_MESSAGE_BYTES, heartbeat=_HEARTBEAT_S
                )
        except InvalidSettings as error:
            raise UpstreamFault(Fault.REFUSED, ROLE, str(error)) from error
        except aiohttp.WSServerHandshakeError as error:
            raise UpstreamFault(_refusal(error.status), ROLE, f"status {error.status}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamFault(Fault.UNREACHABLE, ROLE, type(error).__name__) from error
        try:
            async with asyncio.timeout(server.silence_timeout_s):
                dialect = dialect_of(_read(await socket.receive()))
        except TimeoutError as error:
            await socket.close()
            raise UpstreamFault(Fault.TIMEOUT, ROLE, "no session.created") from error
        except BaseException:
            await socket.close()
            raise
        if dialect in {Dialect.GA, Dialect.BETA}:
            return cls(socket, dialect)
        await socket.close()
        spoken = "no session.created" if dialect is None else f"the dialect {dialect} is not spoken here"
        raise UpstreamFault(Fault.BROKEN, ROLE, spoken)

    async def send(self, event: ClientEvent) -> None:
        """Sends an event; on a lost connection it goes nowhere, which whoever reads finds out."""
        try:
            await self._socket.send_str(json.dumps(event))
        except (aiohttp.ClientError, ConnectionError):
            return

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """The server's events, until the connection ends.

        Raises:
            UpstreamFault: the server sends what is no event.
        """
        async for message in self._socket:
            yield _read(message)

    async def close(self) -> None:
        """Hangs up."""
        await self._socket.close()


def _read(message: aiohttp.WSMessage) -> dict[str, Any]:
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise UpstreamFault(Fault.BROKEN, ROLE, f"{message.type.name} instead of an event")
    try:
        event = json.loads(message.data)
    except (ValueError, RecursionError) as error:
        raise UpstreamFault(Fault.BROKEN, ROLE, "no JSON") from error
    if not isinstance(event, dict):
        raise UpstreamFault(Fault.BROKEN, ROLE, "no JSON object")
    return event


def _refusal(status: int) -> Fault:
    if status in {429, 503}:
        return Fault.BUSY
    return Fault.FAILED if status >= 500 else Fault.REFUSED
