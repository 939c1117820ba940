"""`/v1/realtime/calls` and `/v1/models`, as the official SDKs call them."""

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from transceiver.calls.call import Call
from transceiver.calls.call_service import CallService
from transceiver.calls.errors import CallRefused
from transceiver.signalling.auth import ApiKeys, require_key
from transceiver.signalling.call_errors import refusal
from transceiver.signalling.errors import ApiError
from transceiver.signalling.owner import CallOwner, no_such_call

SDP = "application/sdp"
# The API has two. An empty part has no content to count, so parts are bounded themselves.
MAX_PARTS = 16


@dataclass(frozen=True)
class CallRequest:
    """What a client asks for when it places a call."""

    offer: str
    model: str | None
    session: dict[str, Any] = field(default_factory=dict)


async def read_call_request(request: web.Request) -> CallRequest:
    """Reads either form of the request: a raw SDP body, or a multipart form with `sdp` and `session`.

    Raises:
        ApiError: 400 for a malformed body, 415 for another content type.
    """
    model = request.query.get("model")
    if request.content_type == SDP:
        return CallRequest(offer=await _text(request), model=model)
    if request.content_type == "multipart/form-data":
        parts = await _parts(request)
        if "sdp" not in parts:
            raise ApiError(400, "The form has no part 'sdp'.", code="missing_required_parameter", param="sdp")
        session = _session(parts.get("session", "{}"))
        return CallRequest(offer=parts["sdp"], model=_model(session) or model, session=session)
    raise ApiError(
        415,
        f"Send the offer as {SDP}, or as multipart/form-data with the parts 'sdp' and 'session'.",
        code="unsupported_content_type",
    )


async def place_call(calls: CallService, wanted: CallRequest) -> Call:
    """Places the call.

    Raises:
        ApiError: it is refused.
    """
    try:
        return await calls.create(wanted.offer, model=wanted.model, session=wanted.session)
    except CallRefused as error:
        raise refusal(error) from None


async def _text(request: web.Request) -> str:
    try:
        return (await request.read()).decode()
    except UnicodeDecodeError:
        raise ApiError(400, "The offer is not UTF-8 text.", code="invalid_offer", param="sdp") from None


async def _parts(request: web.Request) -> dict[str, str]:
    # The SDKs' parts carry a content type but no file name, so they are read as plain parts, not as uploads.
    limit = request.app[MAX_BODY_BYTES]
    parts: dict[str, str] = {}
    read = count = 0
    try:
        async for part in await request.multipart():
            count += 1
            if count > MAX_PARTS:
                raise ApiError(400, f"The form has more than {MAX_PARTS} parts.", code="invalid_form")
            if not isinstance(part, BodyPartReader) or part.name is None:
                continue
            content = bytearray()
            while chunk := await part.read_chunk():
                read += len(chunk)
                if read > limit:
                    raise web.HTTPRequestEntityTooLarge(limit, read)
                content += chunk
            parts[part.name] = content.decode()
    except (ValueError, HttpProcessingError):
        raise ApiError(400, "The multipart form is malformed.", code="invalid_form") from None
    return parts


def _session(text: str) -> dict[str, Any]:
    try:
        session = json.loads(text)
    except (ValueError, RecursionError):
        raise ApiError(400, "'session' is not valid JSON.", code="invalid_json", param="session") from None
    if not isinstance(session, dict):
        raise ApiError(400, "'session' must be a JSON object.", code="invalid_type", param="session")
    if session.get("type", "realtime") != "realtime":
        raise ApiError(400, "'session.type' must be 'realtime' here.", code="invalid_value", param="session.type")
    return session


def _model(session: dict[str, Any]) -> str | None:
    model = session.get("model")
    if model is not None and not isinstance(model, str):
        raise ApiError(400, "'session.model' must be a string.", code="invalid_type", param="session.model")
    return model


MAX_BODY_BYTES: web.AppKey[int] = web.AppKey("max_body_bytes", int)


class CallsApi:
    """Handlers of the Realtime API's call endpoints."""

    def __init__(self, calls: CallService, keys: ApiKeys, owner: CallOwner) -> None:
        self._calls = calls
        self._keys = keys
        self._owner = owner

    def add_routes(self, app: web.Application) -> None:
        """Registers the endpoints."""
        app.router.add_post("/v1/realtime/calls", self.create)
        app.router.add_post("/v1/realtime/calls/{call_id}/hangup", self.hang_up)
        app.router.add_get("/v1/models", self.models)

    async def create(self, request: web.Request) -> web.Response:
        """SDP offer in, SDP answer out; `Location` names the call."""
        require_key(request, self._keys)
        wanted = await read_call_request(request)
        call = await place_call(self._calls, wanted)
        return web.Response(
            status=201,
            text=call.answer,
            content_type=SDP,
            headers={"Location": f"/v1/realtime/calls/{call.id}"},
        )

    async def hang_up(self, request: web.Request) -> web.StreamResponse:
        """Ends a call. The SDKs send a JSON content type and no body, so the body is not looked at."""
        require_key(request, self._keys)
        return await self._owner.handle(request, self._hang_up_here)

    async def _hang_up_here(self, _request: web.Request, call_id: str) -> web.Response:
        if not self._calls.hang_up(call_id):
            raise no_such_call(call_id)
        return web.Response(status=200)

    async def models(self, request: web.Request) -> web.Response:
        """The models that a call may name, in OpenAI's list shape."""
        require_key(request, self._keys)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "offhook"} for name in self._calls.models()]
        return web.json_response({"object": "list", "data": data})
