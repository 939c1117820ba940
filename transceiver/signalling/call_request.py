"""What a client asks for when it places a call: an offer, and the session that is wanted."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError

from transceiver.calls.call import Call
from transceiver.calls.call_service import CallService
from transceiver.calls.errors import CallRefused
from transceiver.realtime.configuration import merge_sessions
from transceiver.signalling.access.principal import Access, Principal
from transceiver.signalling.call_errors import refusal
from transceiver.signalling.endpoint import SDP
from transceiver.signalling.errors import ApiError
from transceiver.signalling.json_body import parse_object

# The API has two. An empty part has no content to count, so parts are bounded themselves.
MAX_PARTS = 16


@dataclass(frozen=True)
class CallRequest:
    """An offer, and what else the request itself says."""

    offer: str
    model: str | None
    session: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WantedSession:
    """What a session is to be, by all that the client brought."""

    model: str | None
    session: Mapping[str, Any]


def wanted_session(principal: Principal, model: str | None, session: Mapping[str, Any]) -> WantedSession:
    """What the request says; where it is silent, what its ephemeral key says.

    Args:
        model: of the query.
        session: of the request.

    Raises:
        ApiError: 400.
    """
    secret = principal.client_secret
    merged = merge_sessions(secret.session, session) if secret is not None else session
    named = model_of(session) or model or model_of(merged)
    return WantedSession(named, merged)


def model_of(session: Mapping[str, Any]) -> str | None:
    """The model that a session object names.

    Raises:
        ApiError: 400.
    """
    model = session.get("model")
    if model is not None and not isinstance(model, str):
        raise ApiError(400, "'session.model' must be a string.", code="invalid_type", param="session.model")
    return model


async def place_call(calls: CallService, access: Access, request: web.Request) -> Call:
    """Places the call that a request asks for.

    Raises:
        ApiError: it is refused.
    """
    principal = access.anyone(request)
    wanted = await read_call_request(request)
    session = wanted_session(principal, wanted.model, wanted.session)
    try:
        return await calls.create(
            wanted.offer,
            model=session.model,
            session=session.session,
            placed_by=principal.placer,
            quota=access.quota(principal),
        )
    except CallRefused as error:
        raise refusal(error) from None


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
        return CallRequest(offer=parts["sdp"], model=model, session=parse_object(parts.get("session", "{}"), "session"))
    raise ApiError(
        415,
        f"Send the offer as {SDP}, or as multipart/form-data with the parts 'sdp' and 'session'.",
        code="unsupported_content_type",
    )


async def _text(request: web.Request) -> str:
    try:
        return (await request.read()).decode()
    except UnicodeDecodeError:
        raise ApiError(400, "The offer is not UTF-8 text.", code="invalid_offer", param="sdp") from None


async def _parts(request: web.Request) -> dict[str, str]:
    # The SDKs' parts carry a content type but no file name, so they are read as plain parts, not as uploads.
    # Read whole first, which is bounded, because whether it has been sent before is seen by the whole body.
    body = await request.read()
    loop = asyncio.get_running_loop()
    stream = StreamReader(BaseProtocol(loop), limit=len(body) + 1, loop=loop)
    stream.feed_data(body)
    stream.feed_eof()
    parts: dict[str, str] = {}
    count = 0
    try:
        async for part in MultipartReader(request.headers, stream):
            count += 1
            if count > MAX_PARTS:
                raise ApiError(400, f"The form has more than {MAX_PARTS} parts.", code="invalid_form")
            if isinstance(part, BodyPartReader) and part.name is not None:
                parts[part.name] = (await part.read()).decode()
    except (ValueError, HttpProcessingError):
        raise ApiError(400, "The multipart form is malformed.", code="invalid_form") from None
    return parts
