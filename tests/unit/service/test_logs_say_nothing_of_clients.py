"""What libraries would log of a client, its address and what it sent, stays out of the logs."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from aiohttp import web

from offhook.service.logs import configure_logging


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that is logged, by a process that logs all there is."""
    root, server = logging.getLogger(), logging.getLogger("aiohttp.server")
    handlers, level, filters = root.handlers, root.level, server.filters
    server.filters = []
    configure_logging("debug", "json")
    text = io.StringIO()
    copy = logging.StreamHandler(text)
    copy.setFormatter(root.handlers[0].formatter)
    root.handlers = [copy]
    yield text
    root.handlers, server.filters = handlers, filters
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Where an HTTP server listens whose handler is faulty."""

    async def fail(_request: web.Request) -> web.Response:
        raise RuntimeError("a fault of ours")

    app = web.Application()
    app.router.add_get("/", fail)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def status_of(port: int, request: bytes) -> int:
    """Sends bytes; returns the status of what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    line = await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-secret\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nsk-secret \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: " + b"sk-secret" * 10_000 + b"\r\n\r\n",
        b"\x16\x03\x01 sk-secret\r\n\r\n",
        b"GET /sk-secret HTTP/9.9.9\r\n\r\n",
    ],
)
async def test_what_is_no_http_leaves_no_line(written: io.StringIO, port: int, request_bytes: bytes) -> None:
    assert await status_of(port, request_bytes) == 400
    assert written.getvalue() == ""


async def test_a_fault_of_ours_is_logged_without_the_client(written: io.StringIO, port: int) -> None:
    assert await status_of(port, b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: sk-secret\r\n\r\n") == 500
    assert "a fault of ours" in written.getvalue()
    assert "127.0.0.1" not in written.getvalue()
    assert "sk-secret" not in written.getvalue()
