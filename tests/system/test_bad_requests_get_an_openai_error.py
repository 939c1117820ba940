"""What a client gets that misuses the API: a 4xx with the reason in OpenAI's error body, never a stack trace."""

from typing import Any

import aiohttp
import pytest

from tests.support.fabric import Fabric

SDP = {"Content-Type": "application/sdp"}
CALLS = "/v1/realtime/calls"


async def request(
    fabric: Fabric,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    data: bytes | str | aiohttp.MultipartWriter | None = None,
) -> tuple[int, dict[str, Any], Any]:
    """Sends one request with the key; returns status, error object and response headers."""
    async with (
        aiohttp.ClientSession() as client,
        client.request(
            method, fabric.http + path, headers={**fabric.headers, **(headers or {})}, data=data
        ) as response,
    ):
        body = await response.json()
        assert set(body["error"]) == {"message", "type", "param", "code"}
        assert response.headers["x-request-id"].startswith("req_")
        assert response.headers["x-should-retry"] == "false"
        return response.status, body["error"], response.headers


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic wrong", "Bearer"])
async def test_without_a_good_key(fabric: Fabric, authorization: str) -> None:
    status, error, _ = await request(
        fabric, "POST", CALLS, headers={**SDP, "Authorization": authorization}, data="v=0\r\n"
    )
    assert status == 401
    assert error["type"] == "authentication_error"


@pytest.mark.parametrize("offer", ["", "not SDP", "v=0\r\n", "v=0\r\n" * 1000])
async def test_an_offer_that_is_none(fabric: Fabric, offer: str) -> None:
    status, error, _ = await request(fabric, "POST", CALLS, headers=SDP, data=offer.encode() or b" ")
    assert (status, error["code"], error["param"]) == (400, "invalid_offer", "sdp")
    assert error["message"]


async def test_an_offer_that_is_not_text(fabric: Fabric) -> None:
    status, error, _ = await request(fabric, "POST", CALLS, headers=SDP, data=b"\xff\xfe")
    assert (status, error["code"]) == (400, "invalid_offer")


async def test_an_offer_larger_than_any_real_one(fabric: Fabric) -> None:
    status, error, _ = await request(fabric, "POST", CALLS, headers=SDP, data=b"a" * 100_000)
    assert (status, error["code"]) == (413, "request_too_large")


async def test_another_content_type(fabric: Fabric) -> None:
    status, error, _ = await request(fabric, "POST", CALLS, headers={"Content-Type": "text/html"}, data="v=0\r\n")
    assert (status, error["code"]) == (415, "unsupported_content_type")


async def test_a_form_without_an_offer(fabric: Fabric) -> None:
    form = aiohttp.FormData()
    form.add_field("session", "{}", content_type="application/json")
    form.add_field("other", "x", content_type="text/plain")
    with aiohttp.MultipartWriter("form-data") as multipart:
        part = multipart.append("{}", {"Content-Type": "application/json"})
        part.set_content_disposition("form-data", name="session")
    status, error, _ = await request(fabric, "POST", CALLS, data=multipart)
    assert (status, error["code"], error["param"]) == (400, "missing_required_parameter", "sdp")


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ("{", "session"),
        ("[]", "session"),
        ('{"model":1}', "session.model"),
    ],
)
async def test_a_session_that_is_wrong(fabric: Fabric, session: str, param: str) -> None:
    with aiohttp.MultipartWriter("form-data") as multipart:
        for name, content, kind in (("sdp", "v=0\r\n", "application/sdp"), ("session", session, "application/json")):
            part = multipart.append(content, {"Content-Type": kind})
            part.set_content_disposition("form-data", name=name)
    status, error, _ = await request(fabric, "POST", CALLS, data=multipart)
    assert (status, error["param"]) == (400, param)


@pytest.mark.parametrize("call_id", ["rtc_", "rtc_unknown", "nonsense", "rtc_" + "A" * 23, "rtc_" + "A" * 5000])
async def test_hanging_up_a_call_that_does_not_exist(fabric: Fabric, call_id: str) -> None:
    status, error, _ = await request(fabric, "POST", f"{CALLS}/{call_id}/hangup")
    assert (status, error["code"]) == (404, "call_id_not_found")


async def test_an_endpoint_that_does_not_exist(fabric: Fabric) -> None:
    status, error, _ = await request(fabric, "GET", "/v1/nothing")
    assert (status, error["code"]) == (404, "not_found")


async def test_a_method_that_is_not_allowed(fabric: Fabric) -> None:
    status, error, headers = await request(fabric, "DELETE", CALLS)
    assert (status, error["code"]) == (405, "method_not_allowed")
    assert "POST" in headers["Allow"]


async def test_errors_can_be_read_by_pages_of_other_origins(fabric: Fabric) -> None:
    _, _, headers = await request(
        fabric, "POST", CALLS, headers={**SDP, "Origin": "https://app.example"}, data="v=0\r\n"
    )
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Location" in headers["Access-Control-Expose-Headers"]


async def test_a_browser_may_ask_first(fabric: Fabric) -> None:
    preflight = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    async with (
        aiohttp.ClientSession() as client,
        client.options(fabric.http + CALLS, headers=preflight) as response,
    ):
        assert response.status == 204
        allowed = response.headers["Access-Control-Allow-Headers"].lower()
        assert {"authorization", "content-type"} <= {name.strip() for name in allowed.split(",")}


async def test_the_models_are_listed_as_openai_lists_them(fabric: Fabric) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{fabric.http}/v1/models", headers=fabric.headers) as response,
    ):
        listed = await response.json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["echo", "loopback"]
