"""What has broken real clients of other servers before any event: handshakes, headers, bodies."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.socket_scene import MODEL, connected, parrot_house
from tests.support.webrtc_client import ClientOptions, WebRtcClient
from tests.support.whole_transceiver import CALLS, WholeTransceiver

ORIGIN = {"Origin": "https://app.example"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WholeTransceiver]:
    async with parrot_house(tmp_path) as transceiver:
        yield transceiver


@pytest.fixture
async def http(house: WholeTransceiver) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=house.headers) as session:
        yield session


async def placed(house: WholeTransceiver, http: aiohttp.ClientSession, **headers: str) -> aiohttp.ClientResponse:
    offer = WebRtcClient(ClientOptions(data_channel=True)).offer()
    return await http.post(house.http + CALLS, data=offer, headers={"Content-Type": "application/sdp", **headers})


# 6: browsers fail without the sub-protocol that they offered, servers with one that they did not.


@pytest.mark.parametrize(("offered", "chosen"), [((), None), (("realtime",), "realtime"), (("other",), None)])
async def test_trap_6_the_sub_protocol_is_echoed_and_not_required(
    house: WholeTransceiver, offered: tuple[str, ...], chosen: str | None
) -> None:
    async with connected(house, protocols=offered) as client:
        assert client.socket.protocol == chosen
        await client.event("session.created")


# 6: without the header exposed a page never learns its call's id, and without CORS on errors it learns no reason.


async def test_trap_6_a_page_of_any_origin_reads_the_location(
    house: WholeTransceiver, http: aiohttp.ClientSession
) -> None:
    response = await placed(house, http, **ORIGIN)
    assert response.status == 201
    assert response.headers["Location"].startswith("/v1/realtime/calls/rtc_")
    exposed = response.headers["Access-Control-Expose-Headers"].lower()
    assert "location" in exposed
    refused = await http.post(house.http + CALLS, data="v=0", headers={"Content-Type": "application/sdp", **ORIGIN})
    assert refused.status == 400
    assert refused.headers["Access-Control-Allow-Origin"] in {"*", ORIGIN["Origin"]}


async def test_trap_6_a_preflight_allows_the_headers_that_the_sdks_send(
    house: WholeTransceiver, http: aiohttp.ClientSession
) -> None:
    asked = "authorization, content-type, x-openai-agents-sdk"
    headers = {**ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
    async with http.options(house.http + CALLS, headers=headers) as response:
        allowed = response.headers["Access-Control-Allow-Headers"].lower()
        # "*" does not cover Authorization.
        assert all(name in allowed for name in asked.split(", "))


# 6: the SDKs post their offer at once, without a candidate, and play the stream that the answer names.


async def test_trap_6_an_offer_without_candidates_is_answered_with_everything(
    house: WholeTransceiver, http: aiohttp.ClientSession
) -> None:
    response = await placed(house, http)
    answer = await response.text()
    assert "a=candidate:" in answer
    assert "a=msid:" in answer
    assert response.content_type == "application/sdp"
    size = next(line for line in answer.splitlines() if line.startswith("a=max-message-size:"))
    assert int(size.partition(":")[2]) >= 262_144, "browsers throw on what is longer"


# 7: the SDKs' bodies are not what their headers say.


async def test_trap_7_a_hang_up_has_a_json_content_type_and_no_body(
    house: WholeTransceiver, http: aiohttp.ClientSession
) -> None:
    location = (await placed(house, http)).headers["Location"]
    headers = {"Content-Type": "application/json", "Accept": "*/*"}
    async with http.post(f"{house.http}{location}/hangup", headers=headers) as response:
        assert response.status == 200


async def test_trap_7_the_parts_of_a_form_have_no_file_names(
    house: WholeTransceiver, http: aiohttp.ClientSession
) -> None:
    offer = WebRtcClient(ClientOptions(data_channel=True)).offer()
    form = aiohttp.MultipartWriter("form-data")
    for name, kind, content in (
        ("sdp", "application/sdp", offer),
        ("session", "application/json", f'{{"type": "realtime", "model": "{MODEL}"}}'),
    ):
        part = form.append(content, {"Content-Type": kind})
        part.set_content_disposition("form-data", quote_fields=True, name=name)
    async with http.post(house.http + CALLS, data=form) as response:
        assert response.status == 201, await response.text()


async def test_trap_7_a_refusal_is_no_server_error_that_an_sdk_would_repeat(
    house: WholeTransceiver, http: aiohttp.ClientSession
) -> None:
    for path in (CALLS, f"{CALLS}/rtc_nobody/hangup", f"{CALLS}/rtc_nobody/accept", f"{CALLS}/rtc_nobody/refer"):
        async with http.post(
            house.http + path, data="nonsense", headers={"Content-Type": "application/sdp"}
        ) as response:
            assert 400 <= response.status < 500, path
            assert response.status not in {408, 409, 429}, path
            assert (await response.json())["error"]["message"]
