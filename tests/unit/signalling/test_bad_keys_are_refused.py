"""Every way in which a key can be bad, by name: the status and code that its bearer gets, and no log line with it."""

import base64
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from offhook.service.config import new_key_file
from tests.support.http_scene import KEY, RIVAL_KEY, HttpTransceiver, ask
from tests.support.keys import CALLS, SECRETS, minted, place, post
from tests.support.whole_transceiver import WholeTransceiver, config, whole_transceiver
from transceiver.peers import PeerDirectory


@pytest.fixture
async def transceiver(tmp_path: Path) -> AsyncIterator[HttpTransceiver]:
    async with AsyncExitStack() as stack:
        yield await HttpTransceiver(1, PeerDirectory([]), tmp_path).open(stack)


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[WholeTransceiver]:
    async with whole_transceiver(config(tmp_path), tmp_path) as running:
        yield running


def altered(key: str, position: int) -> str:
    """The key with one bit of one byte turned."""
    raw = bytearray(base64.urlsafe_b64decode(key[3:] + "=" * (-len(key[3:]) % 4)))
    raw[position] ^= 1
    return "ek_" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_a_good_ephemeral_key_places_a_call(transceiver: HttpTransceiver) -> None:
    status, call_id = await place(transceiver.url, key=await minted(transceiver.url))
    assert status == 201
    assert call_id.startswith("rtc_")


async def test_an_expired_key(transceiver: HttpTransceiver) -> None:
    key = await minted(transceiver.url, {"expires_after": {"anchor": "created_at", "seconds": 10}})
    transceiver.clock_ahead_s = 9.0
    assert (await place(transceiver.url, key=key))[0] == 201
    transceiver.clock_ahead_s = 10.0
    assert await place(transceiver.url, key=key) == (401, "token_expired")


@pytest.mark.parametrize("position", [0, 1, 2, 20, -20, -1])
async def test_a_forged_key(transceiver: HttpTransceiver, position: int) -> None:
    key = altered(await minted(transceiver.url), position)
    assert await place(transceiver.url, key=key) == (401, "invalid_api_key")


@pytest.mark.parametrize("key", ["ek_", "ek_A", "ek_é", "ek_" + "A" * 9000, "ek_" + "A" * 60, "ek_ek_", "ek_!!!!"])
async def test_a_key_that_is_none(transceiver: HttpTransceiver, key: str) -> None:
    status = (await ask("POST", transceiver.url + CALLS, headers={"Authorization": f"Bearer {key}"}))[0]
    # Longer than any header line is the server's own 400.
    assert status == (401 if len(key) < 8000 else 400)


async def test_a_key_sealed_elsewhere(transceiver: HttpTransceiver, tmp_path: Path) -> None:
    key = await minted(transceiver.url)
    (tmp_path / "client_secret_keys.json").write_text(json.dumps(new_key_file()))
    assert await place(transceiver.url, key=key) == (401, "invalid_api_key")


async def test_a_key_replayed_after_the_sealing_keys_have_rotated(transceiver: HttpTransceiver, tmp_path: Path) -> None:
    path = tmp_path / "client_secret_keys.json"
    old = json.loads(path.read_text())["configurations"][0]
    key = await minted(transceiver.url)
    fresh = new_key_file()["configurations"][0] | {"id": "B"}
    path.write_text(json.dumps({"configurations": [old | {"mint": False}, fresh]}))
    # While both are in force keys of either are good.
    assert (await place(transceiver.url, key=key))[0] == 201
    assert (await place(transceiver.url, key=await minted(transceiver.url)))[0] == 201
    path.write_text(json.dumps({"configurations": [fresh]}))
    assert await place(transceiver.url, key=key) == (401, "invalid_api_key")


async def test_a_key_replayed_after_one_tenants_api_key_has_rotated(
    transceiver: HttpTransceiver, tmp_path: Path
) -> None:
    ours, theirs = await minted(transceiver.url), await minted(transceiver.url, key=RIVAL_KEY)
    (tmp_path / "api_keys").write_text(f"{KEY}\nrivals sk-rival-2\n")
    assert await place(transceiver.url, key=theirs) == (401, "invalid_api_key")
    assert await place(transceiver.url, key=RIVAL_KEY) == (401, "invalid_api_key")
    assert (await place(transceiver.url, key=ours))[0] == 201


async def test_another_tenants_key_does_not_reach_a_call(whole: WholeTransceiver) -> None:
    _, call_id = await place(whole.http)
    hangup = f"{whole.http}{CALLS}/{call_id}/hangup"
    for key in (RIVAL_KEY, await minted(whole.http, key=RIVAL_KEY)):
        status, body, _ = await post(hangup, key=key)
        assert (status, body["error"]["code"]) == (404, "call_id_not_found")
        status, error = await ask("DELETE", f"{whole.http}/whip/{call_id}", headers={"Authorization": f"Bearer {key}"})
        assert (status, error["code"]) == (404, "call_id_not_found")
    assert (await post(hangup))[0] == 200


async def test_an_ephemeral_key_reaches_only_the_calls_placed_with_it(whole: WholeTransceiver) -> None:
    first, second = await minted(whole.http), await minted(whole.http)
    _, call_id = await place(whole.http, key=first)
    hangup = f"{whole.http}{CALLS}/{call_id}/hangup"
    assert (await post(hangup, key=second))[0] == 404
    assert (await post(hangup, key=first))[0] == 200


@pytest.mark.parametrize(
    "path",
    [SECRETS, "/v1/realtime/sessions", "/v1/realtime/transcription_sessions", f"{CALLS}/rtc_1/accept", "/v1/models"],
)
async def test_an_ephemeral_key_is_for_sessions_only(transceiver: HttpTransceiver, path: str) -> None:
    key = await minted(transceiver.url)
    method = "GET" if path == "/v1/models" else "POST"
    status, error = await ask(method, transceiver.url + path, headers={"Authorization": f"Bearer {key}"})
    assert (status, error["code"]) == (403, "insufficient_permissions")


@pytest.mark.parametrize("name", ["api_key", "key", "token", "access_token", "anything"])
async def test_a_key_in_a_query_string(transceiver: HttpTransceiver, name: str) -> None:
    for key in (KEY, await minted(transceiver.url)):
        for headers in ({"Authorization": ""}, {}):
            status, error = await ask("POST", f"{transceiver.url}{CALLS}?{name}={key}", headers=headers)
            assert (status, error["code"]) == (401, "key_in_query_string")


async def test_no_key_is_logged(
    transceiver: HttpTransceiver, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret_instructions = os.urandom(12).hex()
    key = await minted(transceiver.url, {"session": {"type": "realtime", "instructions": secret_instructions}})
    wrong = "sk-wrong-" + os.urandom(8).hex()
    forged = altered(key, -1)
    for each in (KEY, key, wrong, forged):
        await place(transceiver.url, key=each)
        await place(transceiver.url, key=each, query=f"?key={each}")
    (tmp_path / "api_keys").write_text(f"a b c {wrong}\n")
    (tmp_path / "client_secret_keys.json").write_text(wrong)
    await place(transceiver.url)
    await place(transceiver.url, key=key)
    text = "".join(capsys.readouterr()) + caplog.text
    assert "call placed" in text, "the log was not captured"
    assert "cannot be used" in text
    for each in (KEY, key, key[-40:], wrong, forged, secret_instructions):
        assert each not in text
