"""Delays the bytes of TCP connections to one server, each direction by the same time.

Connections themselves are made without delay, as a client has one open already: so a request and its answer take one
round trip.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

CHUNK_BYTES = 65_536
MAX_CHUNKS = 256
"""On their way in one direction of a connection; beyond that its sender waits."""


class TcpDelay:
    """Listens on 127.0.0.1 from `listen` until `close`.

    Attributes:
        one_way_s: the delay of each direction; may be changed at any time.
        observer: called with each piece that a client sends, as it comes.
    """

    def __init__(self, host: str, port: int) -> None:
        self.one_way_s = 0.0
        self.observer: Callable[[bytes], None] | None = None
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self) -> Self:
        """Opens the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    @property
    def url(self) -> str:
        """Where clients connect to."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        ends = [writer]
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._target)
            ends.append(up_writer)
            up = self._carry(reader, up_writer, self.observer)
            down = self._carry(up_reader, writer, None)
            await asyncio.gather(up, down, return_exceptions=True)
        finally:
            for end in ends:
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, observer: Callable[[bytes], None] | None
    ) -> None:
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_CHUNKS)
        writing = asyncio.ensure_future(self._write(chunks, writer))
        try:
            while data := await reader.read(CHUNK_BYTES):
                if observer is not None:
                    observer(data)
                await chunks.put((loop.time() + self.one_way_s, data))
            await chunks.put((loop.time() + self.one_way_s, b""))
            await writing
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, chunks: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await chunks.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    async def close(self) -> None:
        """Closes the port and all connections."""
        if self._server is not None:
            self._server.close()
        connections = tuple(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
