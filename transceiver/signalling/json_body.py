"""JSON bodies of requests, read strictly, refused in OpenAI's words."""

import json
from typing import Any, TypeVar

from aiohttp import web
from pydantic import TypeAdapter

from transceiver.realtime.errors import EventError
from transceiver.realtime.schema.base import Strict, check_depth, read
from transceiver.signalling.errors import ApiError

M = TypeVar("M", bound=Strict)


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object.

    Raises:
        ApiError: 400.
    """
    body = await request.read()
    return parse_object(body, None) if body else {}


def parse_object(text: str | bytes, param: str | None) -> dict[str, Any]:
    """A JSON object. `param` names it where it is a part of the request.

    Raises:
        ApiError: 400.
    """
    name = f"'{param}'" if param is not None else "The body"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ApiError(400, f"{name} is not valid JSON.", code="invalid_json", param=param) from None
    if not isinstance(value, dict):
        raise ApiError(400, f"{name} must be a JSON object.", code="invalid_type", param=param)
    try:
        check_depth(value, param or "body")
    except EventError as error:
        raise bad_request(error) from None
    return value


async def read_body(request: web.Request, model: type[M]) -> M:
    """The body as `model`.

    Raises:
        ApiError: 400.
    """
    try:
        return read(TypeAdapter(model), await read_object(request), "")
    except EventError as error:
        raise bad_request(error) from None


def bad_request(error: EventError) -> ApiError:
    """The HTTP error of what the API's schema refuses."""
    return ApiError(400, error.message, code=error.code, param=error.param)
