"""How many requests a key may make: what it is told with each answer, and when it has none left."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.http_scene import RIVAL_KEY, HttpTransceiver
from tests.support.keys import CALLS, SDP, minted, place, post
from tests.support.socket_scene import connected, parrot_house
from transceiver.peers import PeerDirectory
from transceiver.signalling.access.rate_limit import MAX_BUCKETS, RateLimits
from transceiver.signalling.access.rates import RequestRates

POLLY = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Polly"}]}


@pytest.fixture
async def transceiver(tmp_path: Path) -> AsyncIterator[HttpTransceiver]:
    """One where an API key has six requests a minute, an ephemeral key two."""
    rates = RequestRates(api_key_per_minute=6, client_secret_per_minute=2)
    async with AsyncExitStack() as stack:
        yield await HttpTransceiver(1, PeerDirectory([]), tmp_path, rates=rates).open(stack)


async def test_a_key_is_told_what_it_has_left_and_refused_beyond(transceiver: HttpTransceiver) -> None:
    for left in (5, 4, 3, 2, 1, 0):
        status, _, headers = await post(transceiver.url + CALLS, "no offer", headers=SDP)
        assert status == 400
        assert headers["x-ratelimit-limit-requests"] == "6"
        assert headers["x-ratelimit-remaining-requests"] == str(left)
        assert headers["x-ratelimit-reset-requests"].endswith("s")
    status, body, headers = await post(transceiver.url + CALLS, "no offer", headers=SDP)
    assert status == 429
    assert (body["error"]["type"], body["error"]["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert 1 <= int(headers["Retry-After"]) <= 10
    assert headers["x-should-retry"] == "true"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    # Another's key is not concerned.
    assert (await place(transceiver.url, key=RIVAL_KEY))[0] == 201


async def test_an_ephemeral_key_has_a_rate_of_its_own(transceiver: HttpTransceiver) -> None:
    first, second = await minted(transceiver.url), await minted(transceiver.url)
    assert [(await place(transceiver.url, key=first))[0] for _ in range(3)] == [201, 201, 429]
    assert (await place(transceiver.url, key=second))[0] == 201


async def test_a_wrong_key_costs_nobody_anything(transceiver: HttpTransceiver) -> None:
    for _ in range(20):
        status, _, headers = await post(transceiver.url + CALLS, "no offer", key="wrong", headers=SDP)
        assert status == 401
        assert "x-ratelimit-limit-requests" not in headers
    assert (await place(transceiver.url))[0] == 201


async def test_an_answer_is_a_request_of_its_key(tmp_path: Path) -> None:
    rates = RequestRates(api_key_per_minute=3)
    async with parrot_house(tmp_path, request_rates=rates) as house, connected(house) as client:
        for left, status in ((1, "completed"), (0, "completed"), (0, "failed")):
            await client.send("conversation.item.create", item=POLLY)
            await client.send("response.create")
            (told,) = (await client.event("rate_limits.updated"))["rate_limits"]
            assert (told["name"], told["limit"], told["remaining"]) == ("requests", 3, left)
            response = (await client.event("response.done"))["response"]
            assert response["status"] == status
        assert response["status_details"]["error"]["code"] == "rate_limit_exceeded"
        assert (await place(house.http))[0] == 429


def test_a_bucket_fills_with_time() -> None:
    now = 0.0
    limits = RateLimits(lambda: now)
    assert [limits.take("key", 60).remaining for _ in range(60)] == list(range(59, -1, -1))
    refused = limits.take("key", 60)
    assert (refused.remaining, refused.wait_s, refused.reset_s) == (0, 1.0, 60.0)
    now = 0.5
    assert limits.take("key", 60).wait_s == 0.5
    now = 1.0
    assert limits.take("key", 60).wait_s == 0
    now = 1000.0
    assert limits.take("key", 60).remaining == 59


def test_only_so_many_keys_are_remembered() -> None:
    limits = RateLimits(lambda: 0.0)
    for number in range(MAX_BUCKETS + 1):
        limits.take(f"key {number}", 2)
    assert limits.take(f"key {MAX_BUCKETS}", 2).remaining == 0
    assert limits.take("key 0", 2).remaining == 1
