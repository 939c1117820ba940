"""No request, however it is made, takes more than its share of memory and time, or brings out a stack trace."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.http_scene import KEY, HttpTransceiver, ask, ask_in_bytes
from transceiver.peers import PeerDirectory
from transceiver.signalling.call_request import MAX_PARTS

CALLS = "/v1/realtime/calls"
AUTHORIZED = f"Authorization: Bearer {KEY}".encode()
FORM = b"Content-Type: multipart/form-data; boundary=edge"
TEXT = b"Content-Type: application/sdp"
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.fixture
async def transceiver(tmp_path: Path) -> AsyncIterator[HttpTransceiver]:
    """One that has no peers."""
    async with AsyncExitStack() as stack:
        yield await HttpTransceiver(1, PeerDirectory([]), tmp_path).open(stack)


def chunk(data: bytes) -> bytes:
    """One chunk of a body of unknown length."""
    return b"%x\r\n%s\r\n" % (len(data), data)


async def endless_parts() -> AsyncIterator[bytes]:
    for number in itertools.count():
        yield chunk(b'--edge\r\nContent-Disposition: form-data; name="part%d"\r\n\r\n\r\n' % number)


async def many_parts() -> AsyncIterator[bytes]:
    for number in range(MAX_PARTS + 1):
        yield chunk(b'--edge\r\nContent-Disposition: form-data; name="part%d"\r\n\r\nx\r\n' % number)
    yield chunk(b"--edge--\r\n") + b"0\r\n\r\n"


async def endless_part_headers() -> AsyncIterator[bytes]:
    yield chunk(b"--edge\r\n")
    for number in itertools.count():
        yield chunk(b"X-%d: a\r\n" % number)


async def endless_content() -> AsyncIterator[bytes]:
    yield chunk(b'--edge\r\nContent-Disposition: form-data; name="sdp"\r\n\r\n')
    while True:
        yield chunk(b"a" * 1000)


async def endless_text() -> AsyncIterator[bytes]:
    while True:
        yield chunk(b"a" * 1000)


async def nothing_more() -> AsyncIterator[bytes]:
    yield chunk(b"v=0")
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (FORM, endless_parts(), 413),
        (FORM, endless_part_headers(), 413),
        (FORM, many_parts(), 400),
        (FORM, endless_content(), 413),
        (TEXT, endless_text(), 413),
    ],
    ids=["parts", "part headers", "many parts", "content", "text"],
)
async def test_a_body_without_an_end_is_refused(
    transceiver: HttpTransceiver, kind: bytes, body: AsyncIterator[bytes], status: int
) -> None:
    assert await ask_in_bytes(transceiver.url, f"POST {CALLS}", AUTHORIZED, kind, CHUNKED, body=body) == status


@pytest.mark.parametrize("kind", [FORM, TEXT])
async def test_a_body_that_never_comes_is_not_awaited_for_ever(tmp_path: Path, kind: bytes) -> None:
    async with AsyncExitStack() as stack:
        hasty = await HttpTransceiver(1, PeerDirectory([]), tmp_path, request_timeout_s=0.2).open(stack)
        assert await ask_in_bytes(hasty.url, f"POST {CALLS}", AUTHORIZED, kind, CHUNKED, body=nothing_more()) == 408


async def test_a_body_is_not_even_read_without_a_key(transceiver: HttpTransceiver) -> None:
    assert await ask_in_bytes(transceiver.url, f"POST {CALLS}", TEXT, CHUNKED, body=nothing_more()) == 401


@pytest.mark.parametrize("session", [b"[" * 60_000, b'{"a":' * 10_000, b"1" * 5000, b"\xff", b'{"model":"\\ud800"}'])
async def test_a_session_that_is_hard_to_read_is_a_bad_request(transceiver: HttpTransceiver, session: bytes) -> None:
    parts = b"".join(
        b'--edge\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % part
        for part in ((b"sdp", b"v=0"), (b"session", session))
    )
    kind = {"Content-Type": "multipart/form-data; boundary=edge"}
    status, error = await ask("POST", transceiver.url + CALLS, headers=kind, data=parts + b"--edge--\r\n")
    assert status == 400
    assert error["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/page/../auth.py",
        "/page/%2e%2e/service.py",
        "/page/..%2fservice.py",
        "/page//etc/passwd",
        "/page/",
        "/page/%00",
    ],
)
async def test_no_other_file_than_those_of_the_page_is_served(transceiver: HttpTransceiver, path: str) -> None:
    assert await ask_in_bytes(transceiver.url, f"GET {path}") in (400, 403, 404)
