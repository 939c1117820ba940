"""Sessions on WebSockets that read less than they ask for, until they are cut: neighbours of those who speak."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from socket import SO_RCVBUF, SOL_SOCKET, socket
from typing import Any, Final, NamedTuple

import aiohttp

ITEM_BYTES: Final = 200_000
ASKS_EVERY_S: Final = 0.05
READS_EVERY_S: Final = 0.1
WITHIN_S: Final = 30.0
"""How long they wait to be cut."""
RECEIVE_BYTES: Final = 65_536
"""What the system holds of what they have not read. Little, so that they come to the server's goodbye in time."""


class Cut(NamedTuple):
    """How a slow reader was cut.

    Attributes:
        code: the close code (1006: it had not read far enough for the goodbye); None: it was not cut within WITHIN_S.
    """

    after_s: float
    code: int | None


class SlowReader:
    """Asks for a long item again and again, and reads half of what it is sent."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._connection = connection

    async def begin(self) -> None:
        """Makes the item."""
        content = [{"type": "input_text", "text": "x" * ITEM_BYTES}]
        item = {"id": "long", "type": "message", "role": "user", "content": content}
        await self._connection.send_json({"type": "conversation.item.create", "item": item})
        while json.loads(await self._connection.receive_str())["type"] != "conversation.item.done":
            pass

    async def until_cut(self) -> Cut:
        """Asks and reads until the server closes."""
        began = time.monotonic()
        asking = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout(WITHIN_S):
                async for _ in self._connection:
                    await asyncio.sleep(READS_EVERY_S)
        except TimeoutError:
            return Cut(WITHIN_S, None)
        finally:
            asking.cancel()
            await asyncio.wait({asking})
        return Cut(time.monotonic() - began, self._connection.close_code)

    async def _ask(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._connection.send_str('{"type": "conversation.item.retrieve", "item_id": "long"}')
                await asyncio.sleep(ASKS_EVERY_S)


@asynccontextmanager
async def slow_readers(url: str, headers: Mapping[str, str], count: int) -> AsyncIterator[list[SlowReader]]:
    """So many, connected."""
    connector = aiohttp.TCPConnector(limit=0, socket_factory=_small_socket)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        readers = [SlowReader(await session.ws_connect(url, max_msg_size=0)) for _ in range(count)]
        for reader in readers:
            await reader.begin()
        yield readers


def _small_socket(address: aiohttp.AddrInfoType) -> socket:
    family, kind, protocol, *_ = address
    made = socket(family, kind, protocol)
    made.setsockopt(SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES)
    return made


def summary(cuts: list[Cut]) -> dict[str, Any]:
    """How many were cut, with which close codes, and when the last."""
    cut = [each for each in cuts if each.code is not None]
    return {
        "sessions": len(cuts),
        "cut": len(cut),
        "close_codes": dict(Counter(str(each.code) for each in cut)),
        "last_after_s": round(max((each.after_s for each in cut), default=0.0), 2),
    }
