"""Ephemeral keys for browsers, and the beta's endpoints that did the same under other names."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter

from transceiver.calls.call_service import CallService
from transceiver.calls.errors import CallRefused
from transceiver.realtime.beta.session import beta_session, present_session
from transceiver.realtime.errors import EventError
from transceiver.realtime.schema.base import read
from transceiver.signalling.access.client_secrets import ClientSecretTooLarge
from transceiver.signalling.access.principal import Access, Principal
from transceiver.signalling.answer_schema import ClientSecretAnswer
from transceiver.signalling.call_errors import refusal
from transceiver.signalling.call_request import model_of
from transceiver.signalling.endpoint import JSON, Endpoint
from transceiver.signalling.errors import ApiError
from transceiver.signalling.json_body import bad_request, read_body, read_object
from transceiver.signalling.request_schema import ClientSecretRequest, ExpiresAfter


class ClientSecretsApi:
    """Handlers of the endpoints that mint ephemeral keys."""

    def __init__(self, calls: CallService, access: Access) -> None:
        self._calls = calls
        self._access = access

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        flat: dict[str, Any] = {JSON: {"type": "object"}}
        return [
            Endpoint(
                "POST",
                "/v1/realtime/client_secrets",
                self.create,
                key="server",
                body={JSON: ClientSecretRequest},
                answer={JSON: ClientSecretAnswer},
            ),
            Endpoint("POST", "/v1/realtime/sessions", self.create_session, key="server", body=flat, answer=flat),
            Endpoint(
                "POST",
                "/v1/realtime/transcription_sessions",
                self.create_transcription_session,
                key="server",
                body=flat,
                answer=flat,
            ),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """An ephemeral key with a session bound in."""
        principal = self._access.server(request)
        wanted = await read_body(request, ClientSecretRequest)
        given = {"type": "realtime"} | (wanted.session or {})
        session = self._effective(given)
        value, expires_at = self._mint(principal, given, wanted.expires_after)
        answer = ClientSecretAnswer(value=value, expires_at=expires_at, session=session)
        return web.json_response(answer.model_dump())

    async def create_session(self, request: web.Request) -> web.Response:
        """An ephemeral key, in the words of the API's beta."""
        return await self._create_flat(request, "realtime", "expires_after")

    async def create_transcription_session(self, request: web.Request) -> web.Response:
        """An ephemeral key for a session that only transcribes, in the words of the API's beta."""
        return await self._create_flat(request, "transcription", "expires_at")

    async def _create_flat(self, request: web.Request, kind: str, expiry: str) -> web.Response:
        principal = self._access.server(request)
        flat = await read_object(request)
        client_secret = flat.pop("client_secret", None) or {}
        try:
            lifetime = read(TypeAdapter(dict[str, ExpiresAfter | None]), client_secret, "client_secret").get(expiry)
            given = present_session(flat, kind)
        except EventError as error:
            raise bad_request(error) from None
        session = self._effective(given)
        value, expires_at = self._mint(principal, given, lifetime)
        body = beta_session(session) | {"client_secret": {"value": value, "expires_at": expires_at}}
        return web.json_response(body)

    def _effective(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            session = self._calls.preview(model_of(given), given)
        except CallRefused as error:
            raise refusal(error) from None
        # It has not begun.
        return session | {"expires_at": 0}

    def _mint(self, principal: Principal, given: Mapping[str, Any], lifetime: ExpiresAfter | None) -> tuple[str, int]:
        secrets = self._access.client_secrets
        if secrets is None:
            message = "This installation mints no ephemeral keys: its configuration has no client_secret_keys_file."
            raise ApiError(501, message, code="client_secrets_unavailable")
        try:
            value, secret = secrets.mint(principal.api_key_id, given, (lifetime or ExpiresAfter()).seconds)
        except ClientSecretTooLarge:
            message = "The session is too large to be bound to an ephemeral key: send the rest with session.update."
            raise ApiError(400, message, code="session_too_large", param="session") from None
        return value, secret.expires_at
