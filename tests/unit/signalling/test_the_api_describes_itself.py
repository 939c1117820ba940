"""`/openapi.json`: a valid OpenAPI document that names every endpoint, and says of their answers what is so."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.support.http_scene import KEY, HttpTransceiver
from tests.support.keys import SECRETS, post
from transceiver.peers import PeerDirectory


@pytest.fixture
async def transceiver(tmp_path: Path) -> AsyncIterator[HttpTransceiver]:
    async with AsyncExitStack() as stack:
        yield await HttpTransceiver(1, PeerDirectory([]), tmp_path).open(stack)


async def fetched(transceiver: HttpTransceiver, path: str = "/openapi.json", key: str = "") -> Any:  # noqa: ANN401 - JSON
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(headers=headers) as client, client.get(transceiver.url + path) as answer:
        return await answer.json()


async def test_the_document_is_valid(transceiver: HttpTransceiver) -> None:
    OpenAPIV31SpecValidator(await fetched(transceiver)).validate()


async def test_every_endpoint_is_in_it(transceiver: HttpTransceiver) -> None:
    paths = (await fetched(transceiver))["paths"]
    described = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    assert described == {
        ("POST", "/v1/realtime/calls"),
        ("POST", "/v1/realtime"),
        ("GET", "/v1/realtime"),
        *(("POST", f"/v1/realtime/calls/{{call_id}}/{action}") for action in ("hangup", "accept", "reject", "refer")),
        *(("POST", f"/v1/realtime/{name}") for name in ("client_secrets", "sessions", "transcription_sessions")),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/{model}"),
        ("POST", "/whip"),
        ("OPTIONS", "/whip"),
        ("PATCH", "/whip/{call_id}"),
        ("DELETE", "/whip/{call_id}"),
        ("GET", "/openapi.json"),
    }
    assert all(operation["summary"] for operations in paths.values() for operation in operations.values())


@pytest.mark.parametrize(
    ("name", "path"), [("ModelListAnswer", "/v1/models"), ("ErrorAnswer", "/v1/models/unheard-of")]
)
async def test_answers_are_as_described(transceiver: HttpTransceiver, name: str, path: str) -> None:
    await check(transceiver, name, await fetched(transceiver, path, KEY))


async def test_ephemeral_keys_and_what_is_asked_for_them_are_as_described(transceiver: HttpTransceiver) -> None:
    session = {"type": "realtime", "instructions": "Be brief.", "audio": {"output": {"speed": 1.2}}}
    wanted = {"expires_after": {"anchor": "created_at", "seconds": 60}, "session": session}
    await check(transceiver, "ClientSecretRequest", wanted)
    status, answer, _ = await post(transceiver.url + SECRETS, wanted)
    assert status == 200
    await check(transceiver, "ClientSecretAnswer", answer)


async def check(transceiver: HttpTransceiver, name: str, value: object) -> None:
    """Holds a value against the document's schema of this name."""
    document = await fetched(transceiver)
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    OAS31Validator(schema).validate(value)
