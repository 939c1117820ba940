"""Minting ephemeral keys over HTTP, and asking with any key."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from tests.support.http_scene import KEY
from tests.support.webrtc_client import WebRtcClient

SECRETS = "/v1/realtime/client_secrets"
CALLS = "/v1/realtime/calls"
SDP = {"Content-Type": "application/sdp"}


async def post(
    url: str, body: object = None, *, key: str = KEY, headers: dict[str, str] | None = None
) -> tuple[int, Any, Mapping[str, str]]:
    """Posts JSON (or text as it is): status, body and headers of the answer."""
    data = body if isinstance(body, str) else json.dumps(body) if body is not None else None
    sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"} | (headers or {})
    async with aiohttp.ClientSession() as client, client.post(url, data=data, headers=sent) as answer:
        is_json = answer.content_type == "application/json"
        return answer.status, await (answer.json() if is_json else answer.text()), answer.headers


async def minted(base_url: str, body: dict[str, Any] | None = None, *, key: str = KEY) -> str:
    """A new ephemeral key."""
    status, answer, _ = await post(base_url + SECRETS, body or {}, key=key)
    assert status == 200, answer
    value: str = answer["value"]
    return value


async def place(base_url: str, *, key: str = KEY, query: str = "") -> tuple[int, str]:
    """Places a call whose client never comes: the status, and the call's id or the error's code."""
    status, body, headers = await post(base_url + CALLS + query, WebRtcClient().offer(), key=key, headers=SDP)
    return status, headers["Location"].rpartition("/")[2] if status == 201 else body["error"]["code"]
