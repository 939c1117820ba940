"""Connections on which no request comes, or comes too slowly, and connections without number."""

import asyncio
import contextlib
import socket
from pathlib import Path

import aiohttp

from tests.support.http_scene import ask
from tests.support.whole_transceiver import WholeTransceiver, config, whole_transceiver
from wire.address import parse_address

HEADERS_S = 0.3
REFUSED = "fabric_transceiver_http_connections_refused_total"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def connect(listen: str) -> Connection:
    return await asyncio.open_connection(*parse_address(listen))


async def closed(connection: Connection) -> bytes:
    """What the server has said by the time it has closed the connection."""
    reader, writer = connection
    said = b""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(20):
            while block := await reader.read(65_536):
                said += block
    writer.close()
    return said


async def refused(made: WholeTransceiver, reason: str) -> float:
    lines = (await made.metrics()).splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f'{REFUSED}{{reason="{reason}"}}'))


async def drip(connection: Connection) -> None:
    """A request whose headers never end."""
    _, writer = connection
    writer.write(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n")
    number = 0
    while not writer.is_closing():
        writer.write(b"X-%d: y\r\n" % number)
        await asyncio.sleep(HEADERS_S / 20)
        number += 1


async def test_headers_have_to_come_in_time(tmp_path: Path) -> None:
    async with whole_transceiver(config(tmp_path, http_headers_timeout_s=HEADERS_S), tmp_path) as made:
        public = made.http.removeprefix("http://")
        silent, slow, kept = [await connect(public) for _ in range(3)]
        dripping = asyncio.create_task(drip(slow))
        kept[1].write(b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await kept[0].readline()).startswith(b"HTTP/1.1 404")
        assert await closed(silent) == b""
        assert await closed(slow) == b""
        dripping.cancel()
        assert await refused(made, "slow_headers") == 2
        # One whose first request has come is kept for the next.
        kept[1].write(b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"HTTP/1.1 404" in await closed(kept)


async def test_connections_too_many_get_503_and_leave_the_peers_alone(tmp_path: Path) -> None:
    public = f"127.0.0.1:{free_port()}"
    configuration = config(tmp_path, http_listen=public, max_http_connections=3)
    async with whole_transceiver(configuration, tmp_path) as made:
        held = [await connect(public) for _ in range(3)]
        # They count once the server has accepted them, which a request shows.
        for _, writer in held:
            writer.write(b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        for reader, _ in held:
            assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        said = await closed(await connect(public))
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1\r\n" in said
        assert await refused(made, "too_many") == 1
        # The socket of other transceivers is another one.
        status, _ = await ask("GET", f"{made.http}/v1/nothing")
        assert status == 404
        for connection in held:
            connection[1].close()
        async with asyncio.timeout(20), aiohttp.ClientSession() as client:
            while True:
                async with client.get(f"http://{public}/v1/models", headers=made.headers) as answer:
                    if answer.status == 200:
                        break
                    assert answer.status == 503
