"""CORS: a page served elsewhere places a call with its ephemeral key if its origin may, and reads why if it may not."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.support.keys import CALLS, SDP, minted, post
from tests.support.webrtc_client import WebRtcClient
from tests.support.whole_transceiver import WholeTransceiver, config, whole_transceiver

PAGE = "https://app.example"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WholeTransceiver]:
    """One that lets pages of PAGE call it, and no others."""
    async with AsyncExitStack() as stack:
        configuration = config(tmp_path, cors_origins=(PAGE,))
        yield await stack.enter_async_context(whole_transceiver(configuration, tmp_path))


async def preflight(house: WholeTransceiver, origin: str) -> tuple[int, dict[str, str]]:
    """What a browser asks before it sends an offer with a key."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-openai-agents-sdk",
    }
    async with aiohttp.ClientSession() as client, client.options(house.http + CALLS, headers=asked) as answer:
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}


async def test_a_page_that_may_call_does(house: WholeTransceiver) -> None:
    status, headers = await preflight(house, PAGE)
    assert status == 204
    assert headers["access-control-allow-origin"] == PAGE
    allowed = {each.strip().lower() for each in headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "x-openai-agents-sdk", "idempotency-key"} <= allowed
    key = await minted(house.http)
    status, _, answered = await post(
        house.http + CALLS, WebRtcClient().offer(), key=key, headers=SDP | {"Origin": PAGE}
    )
    assert status == 201
    assert answered["Access-Control-Allow-Origin"] == PAGE
    exposed = {each.strip().lower() for each in answered["Access-Control-Expose-Headers"].split(",")}
    assert {"location", "x-request-id", "retry-after", "x-ratelimit-remaining-requests"} <= exposed
    # Caches must not give one origin's answer to another.
    assert "Origin" in answered["Vary"]


async def test_a_page_reads_why_it_was_refused(house: WholeTransceiver) -> None:
    for key in ("wrong", await minted(house.http)):
        status, body, answered = await post(house.http + CALLS, "no offer", key=key, headers=SDP | {"Origin": PAGE})
        assert status in {400, 401}
        assert body["error"]["code"]
        assert answered["Access-Control-Allow-Origin"] == PAGE


async def test_a_page_that_may_not_call_is_told_nothing(house: WholeTransceiver) -> None:
    _, headers = await preflight(house, "https://evil.example")
    assert "access-control-allow-origin" not in headers
    assert "access-control-allow-headers" not in headers
