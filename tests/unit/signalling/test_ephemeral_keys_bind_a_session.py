"""Ephemeral keys: what minting one answers and refuses, and what sessions opened with one are."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from openai.types.beta.realtime.session_create_response import SessionCreateResponse
from openai.types.beta.realtime.transcription_session import TranscriptionSession

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from tests.support.http_scene import KEY
from tests.support.keys import CALLS, SECRETS, minted, post
from tests.support.socket_scene import MODEL, connected, parrot_house
from tests.support.webrtc_client import WebRtcClient
from tests.support.whole_transceiver import WholeTransceiver, config, whole_transceiver

PROMPT = "You are a parrot."


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WholeTransceiver]:
    async with parrot_house(tmp_path) as transceiver:
        yield transceiver


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.realtime("POST /v1/realtime/client_secrets")
async def test_the_official_sdk_mints_one(house: WholeTransceiver) -> None:
    async with AsyncOpenAI(base_url=f"{house.http}/v1", api_key=KEY) as client:
        before = int(time.time())
        made = await client.realtime.client_secrets.create(
            expires_after={"anchor": "created_at", "seconds": 7200},
            session={"type": "realtime", "model": MODEL, "instructions": PROMPT},
        )
        assert made.value.startswith("ek_")
        assert before + 7200 <= made.expires_at <= time.time() + 7200
        assert made.session.type == "realtime"
        assert made.session.id.startswith("sess_")
        assert made.session.instructions == PROMPT
        assert made.session.expires_at == 0
        assert PROMPT not in made.value
        by_default = await client.realtime.client_secrets.create()
        assert before + 600 <= by_default.expires_at <= time.time() + 600


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ("[]", None, "invalid_type"),
        ("{", None, "invalid_json"),
        (
            '{"expires_after": {"seconds": 9}}',
            "expires_after.seconds",
            "integer_below_min_value",
        ),
        (
            '{"expires_after": {"anchor": "created_at", "seconds": 7201}}',
            "expires_after.seconds",
            "integer_above_max_value",
        ),
        ('{"expires_after": {"anchor": "now"}}', "expires_after.anchor", "invalid_value"),
        ('{"session": 1}', "session", "invalid_type"),
        ('{"session": {"type": "dictation"}}', "session.type", "invalid_value"),
        ('{"session": {"type": "realtime", "model": 1}}', "session.model", "invalid_type"),
        ('{"session": {"type": "realtime", "wishes": 3}}', "session.wishes", "unknown_parameter"),
        ('{"name": "x"}', "name", "unknown_parameter"),
    ],
)
async def test_a_bad_request_is_told_what_is_wrong(
    house: WholeTransceiver, body: str, param: str | None, code: str
) -> None:
    status, answer, _ = await post(house.http + SECRETS, body)
    assert (status, answer["error"]["param"], answer["error"]["code"]) == (400, param, code)


async def test_a_model_that_nobody_serves(house: WholeTransceiver) -> None:
    status, answer, _ = await post(house.http + SECRETS, {"session": {"type": "realtime", "model": "unheard-of"}})
    assert (status, answer["error"]["code"]) == (404, "model_not_found")


async def test_a_session_that_fits_no_header_line(house: WholeTransceiver) -> None:
    # Digits of chance cannot be deflated below half.
    long = "".join(str(each**7) for each in range(1000))
    status, answer, _ = await post(house.http + SECRETS, {"session": {"type": "realtime", "instructions": long}})
    assert (status, answer["error"]["code"]) == (400, "session_too_large")
    status, _, _ = await post(house.http + SECRETS, {"session": {"type": "realtime", "instructions": "parrot " * 4000}})
    assert status == 200


async def test_without_a_key_file_none_are_minted(tmp_path: Path) -> None:
    plain = config(tmp_path, client_secret_keys_file=None)
    async with whole_transceiver(plain, tmp_path) as transceiver:
        status, answer, _ = await post(transceiver.http + SECRETS, {})
        assert (status, answer["error"]["code"]) == (501, "client_secrets_unavailable")


async def test_a_websocket_opened_with_one_has_its_session_and_may_change_it(house: WholeTransceiver) -> None:
    session = {"type": "realtime", "model": MODEL, "instructions": PROMPT, "audio": {"output": {"speed": 1.25}}}
    key = await minted(house.http, {"session": session})
    async with connected(house, "", headers=bearer(key)) as client:
        created = (await client.event("session.created"))["session"]
        assert (created["model"], created["instructions"]) == (MODEL, PROMPT)
        assert created["audio"]["output"]["speed"] == 1.25
        assert (await client.configure(instructions="Sing."))["instructions"] == "Sing."
    # For several sessions, also as a browser sends it.
    protocols = ("realtime", f"openai-insecure-api-key.{key}")
    async with connected(house, f"model={MODEL}", headers={}, protocols=protocols) as client:
        assert client.socket.protocol == "realtime"
        assert (await client.event("session.created"))["session"]["instructions"] == PROMPT


async def test_a_transcription_session_is_bound_as_well(house: WholeTransceiver) -> None:
    session = {"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}
    key = await minted(house.http, {"session": session})
    async with connected(house, "intent=transcription", headers=bearer(key)) as client:
        created = (await client.event("session.created"))["session"]
        assert created["type"] == "transcription"
        assert created["audio"]["input"]["transcription"]["model"] == "gpt-4o-transcribe"


async def test_calls_of_either_form_take_one(house: WholeTransceiver) -> None:
    key = await minted(house.http, {"session": {"type": "realtime", "model": MODEL, "instructions": PROMPT}})
    async with AsyncOpenAI(base_url=f"{house.http}/v1", api_key=key) as client:
        raw = await client.realtime.calls.create(sdp=WebRtcClient().offer())
        assert raw.response.status_code == 201
        for session in (
            {"type": "realtime", "model": MODEL},
            {"type": "realtime", "instructions": "Sing."},
            {"type": "transcription"},
        ):
            both: Any = session
            answer = await client.realtime.calls.create(sdp=WebRtcClient().offer(), session=both)
            assert answer.response.status_code == 201
            assert answer.response.headers["location"].startswith(f"{CALLS}/rtc_")


@pytest.mark.realtime("POST /v1/realtime")
async def test_the_betas_address_takes_an_offer_too(house: WholeTransceiver) -> None:
    headers = {"Content-Type": "application/sdp"}
    status, answer, _ = await post(f"{house.http}/v1/realtime?model={MODEL}", WebRtcClient().offer(), headers=headers)
    assert status == 201
    assert answer.startswith("v=0")


@pytest.mark.realtime("POST /v1/realtime/sessions")
async def test_the_betas_sessions_endpoint_mints_one(house: WholeTransceiver) -> None:
    async with AsyncOpenAI(base_url=f"{house.http}/v1", api_key=KEY) as client:
        wanted: Any = MODEL
        made = await client.beta.realtime.sessions.create(
            model=wanted,
            modalities=["text"],
            instructions=PROMPT,
            input_audio_format="g711_ulaw",
            turn_detection={"type": "server_vad", "silence_duration_ms": 700},
            max_response_output_tokens=100,
            temperature=0.7,
            client_secret={"expires_after": {"anchor": "created_at", "seconds": 60}},
        )
        answer = SessionCreateResponse.model_validate(made.to_dict(), strict=True)
        assert (answer.modalities, answer.input_audio_format, answer.output_audio_format) == (
            ["text"],
            "g711_ulaw",
            "pcm16",
        )
        assert answer.turn_detection is not None
        assert answer.turn_detection.silence_duration_ms == 700
        assert answer.client_secret.expires_at <= time.time() + 60
        async with connected(house, "", headers=bearer(answer.client_secret.value)) as client_of_it:
            created = (await client_of_it.event("session.created"))["session"]
            assert created["output_modalities"] == ["text"]
            assert created["audio"]["input"]["format"] == {"type": "audio/pcmu"}
            assert created["max_output_tokens"] == 100


@pytest.mark.realtime("POST /v1/realtime/transcription_sessions")
async def test_the_betas_transcription_sessions_endpoint_mints_one(house: WholeTransceiver) -> None:
    async with AsyncOpenAI(base_url=f"{house.http}/v1", api_key=KEY) as client:
        made = await client.beta.realtime.transcription_sessions.create(
            input_audio_format="pcm16",
            input_audio_transcription={"model": "whisper-1", "language": "en"},
            client_secret={"expires_at": {"anchor": "created_at", "seconds": 30}},
        )
        answer = TranscriptionSession.model_validate(made.to_dict(), strict=True)
        assert answer.input_audio_transcription is not None
        assert answer.input_audio_transcription.language == "en"
        async with connected(house, "", headers=bearer(answer.client_secret.value)) as client_of_it:
            assert (await client_of_it.event("session.created"))["session"]["type"] == "transcription"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input_audio_format": "mp3"}, "session.input_audio_format"),
        ({"output_modalities": ["text"]}, "session.output_modalities"),
        ({"client_secret": {"expires_after": {"seconds": 1}}}, "client_secret.expires_after.seconds"),
        ({"client_secret": 7}, "client_secret"),
    ],
)
async def test_the_betas_endpoints_say_what_is_wrong(house: WholeTransceiver, body: dict[str, Any], param: str) -> None:
    status, answer, _ = await post(f"{house.http}/v1/realtime/sessions", body)
    assert (status, answer["error"]["param"]) == (400, param)


@pytest.mark.realtime("GET /v1/models", "GET /v1/models/{model}")
async def test_models_are_listed_and_described(house: WholeTransceiver) -> None:
    async with AsyncOpenAI(base_url=f"{house.http}/v1", api_key=KEY) as client:
        names = [model.id async for model in client.models.list()]
        assert MODEL in names
        assert (await client.models.retrieve(MODEL)).id == MODEL
    async with (
        aiohttp.ClientSession(headers=house.headers) as session,
        session.get(f"{house.http}/v1/models/unheard-of") as answer,
    ):
        assert (answer.status, (await answer.json())["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("accept", {"type": "realtime"}, "unsupported_call_type"),
        ("accept", {}, "invalid_value"),
        ("reject", {}, "unsupported_call_type"),
        ("reject", {"status_code": 200}, "integer_below_min_value"),
        ("refer", {"target_uri": "tel:+15551234"}, "unsupported_call_type"),
        ("refer", {}, "missing_required_parameter"),
    ],
)
@pytest.mark.realtime(
    "POST /v1/realtime/calls/{call_id}/accept",
    "POST /v1/realtime/calls/{call_id}/reject",
    "POST /v1/realtime/calls/{call_id}/refer",
)
async def test_what_is_for_sip_calls_is_refused_on_others(
    house: WholeTransceiver, action: str, body: dict[str, Any], code: str
) -> None:
    status, call_id = await house.place()
    assert status == 201
    status, answer, headers = await post(f"{house.http}{CALLS}/{call_id}/{action}", body)
    assert (status, answer["error"]["code"]) == (400, code)
    assert headers["x-should-retry"] == "false"
    status, answer, _ = await post(f"{house.http}{CALLS}/rtc_unknown/{action}", {"type": "realtime", "target_uri": "x"})
    assert status in {400, 404}
