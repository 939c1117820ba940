"""`Idempotency-Key`: a request is performed once, however often it is sent, and nobody gets another's answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.support.http_scene import KEY, RIVAL_KEY, HttpTransceiver
from tests.support.keys import CALLS, SDP, SECRETS, post
from tests.support.webrtc_client import WebRtcClient
from transceiver.peers import PeerDirectory
from transceiver.signalling import idempotency


@pytest.fixture
async def transceiver(tmp_path: Path) -> AsyncIterator[HttpTransceiver]:
    async with AsyncExitStack() as stack:
        yield await HttpTransceiver(1, PeerDirectory([]), tmp_path).open(stack)


def once(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def test_a_call_is_placed_once(transceiver: HttpTransceiver) -> None:
    offer = WebRtcClient().offer()
    answers = await asyncio.gather(*(post(transceiver.url + CALLS, offer, headers=SDP | once("one")) for _ in range(5)))
    again = await post(transceiver.url + CALLS, offer, headers=SDP | once("one"))
    assert {status for status, _, _ in [*answers, again]} == {201}
    assert len({(body, headers["Location"]) for _, body, headers in [*answers, again]}) == 1
    assert len(transceiver.calls) == 1
    assert sum("Idempotent-Replayed" not in headers for _, _, headers in answers) == 1
    assert again[2]["Idempotent-Replayed"] == "true"
    assert again[2]["x-request-id"] != answers[0][2]["x-request-id"]
    assert (await post(transceiver.url + CALLS, offer, headers=SDP | once("two")))[2]["Location"] != again[2][
        "Location"
    ]
    assert len(transceiver.calls) == 2


async def test_a_form_is_recognised_as_well(transceiver: HttpTransceiver) -> None:
    offer = WebRtcClient().offer()
    locations = []
    for _ in range(2):
        with aiohttp.MultipartWriter("form-data", boundary="edge") as form:
            for name, content, kind in (("sdp", offer, "application/sdp"), ("session", "{}", "application/json")):
                form.append(content, {"Content-Type": kind}).set_content_disposition("form-data", name=name)
        headers = {"Authorization": f"Bearer {KEY}"} | once("form")
        async with (
            aiohttp.ClientSession(headers=headers) as client,
            client.post(transceiver.url + CALLS, data=form) as answer,
        ):
            assert answer.status == 201
            locations.append(answer.headers["Location"])
    assert len(set(locations)) == 1


async def test_a_key_is_for_one_request(transceiver: HttpTransceiver) -> None:
    await post(transceiver.url + SECRETS, {}, headers=once("one"))
    status, body, _ = await post(transceiver.url + SECRETS, {"expires_after": {"seconds": 20}}, headers=once("one"))
    assert (status, body["error"]["code"]) == (422, "idempotency_key_reused")


async def test_nobody_gets_anothers_answer(transceiver: HttpTransceiver, tmp_path: Path) -> None:
    mine = await post(transceiver.url + SECRETS, {}, headers=once("one"))
    theirs = await post(transceiver.url + SECRETS, {}, key=RIVAL_KEY, headers=once("one"))
    assert (mine[0], theirs[0]) == (200, 200)
    assert mine[1]["value"] != theirs[1]["value"]
    (tmp_path / "api_keys").write_text(f"{KEY}\n")
    assert (await post(transceiver.url + SECRETS, {}, key=RIVAL_KEY, headers=once("one")))[0] == 401


async def test_what_was_refused_may_be_tried_anew(transceiver: HttpTransceiver) -> None:
    transceiver.calls.stop_admitting()
    offer = WebRtcClient().offer()
    for _ in range(2):
        status, _, headers = await post(transceiver.url + CALLS, offer, headers=SDP | once("one"))
        assert status == 503
        assert "Idempotent-Replayed" not in headers


async def test_a_key_that_is_none(transceiver: HttpTransceiver) -> None:
    for key in ("", "x" * 300):
        status, body, _ = await post(transceiver.url + SECRETS, {}, headers=once(key))
        assert (status, body["error"]["code"]) == (400, "invalid_idempotency_key")


async def test_answers_are_bounded(transceiver: HttpTransceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MAX_KEPT", 2)
    values = [(await post(transceiver.url + SECRETS, {}, headers=once(key)))[1]["value"] for key in "abcab"]
    assert len(set(values)) == 5
