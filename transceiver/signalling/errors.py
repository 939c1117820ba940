"""Errors of the HTTP API, in the body that OpenAI's clients parse.

    {"error": {"message": "...", "type": "invalid_request_error", "param": "sdp", "code": "invalid_offer"}}

Three families: the caller misused us (4xx), someone behind us is broken or gone (502, 503), we failed (500).
"""

import uuid

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

_log = structlog.get_logger(__name__)

REQUEST_ID = "x-request-id"
RETRY_AFTER_S = 1
"""Of a 503 that passes: by then another transceiver, or this one, may have room (RFC 9110 section 10.2.3)."""


class ApiError(Exception):
    """Ends a request with an OpenAI error body.

    Args:
        status: HTTP status.
        message: one sentence saying what is wrong and what to do.
        code: stable machine-readable slug.
        param: the offending part of the request, if one is.
        retry: whether the official clients may send the same request again by themselves.
        elsewhere: whether they are to do so on a new connection, which may reach another transceiver.
        retry_after_s: when, if that is known; a 503 that passes has a time of its own.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        retry: bool = False,
        elsewhere: bool = False,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry = retry
        self.elsewhere = elsewhere
        self.retry_after_s = retry_after_s or (RETRY_AFTER_S if status == 503 and retry else None)

    @property
    def type(self) -> str:
        """OpenAI's coarse error class."""
        if self.status == 401:
            return "authentication_error"
        if self.status == 429:
            return "rate_limit_error"
        return "invalid_request_error" if self.status < 500 else "server_error"

    def response(self) -> web.Response:
        """The HTTP response for this error."""
        body = {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}
        # openai-python repeats 408, 409, 429 and 5xx unless told not to; a second call would be a second session.
        headers = {"x-should-retry": str(self.retry).lower()}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        response = web.json_response(body, status=self.status, headers=headers)
        if self.elsewhere:
            response.force_close()
        return response


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every failure into an error body and gives every response a request id."""
    request_id = f"req_{uuid.uuid4().hex}"
    try:
        response = await handler(request)
    except ApiError as error:
        response = error.response()
    except web.HTTPException as error:
        response = _from_http_exception(request, error)
    except Exception:  # noqa: BLE001 - the last resort: logged with its trace, and the client gets a body
        _log.exception("request failed", method=request.method, route=_route(request), request_id=request_id)
        message = f"The transceiver failed to handle this request; its log tells why under {request_id}."
        response = ApiError(500, message, code="internal_error").response()
    if not response.prepared:
        response.headers[REQUEST_ID] = request_id
    return response


def _from_http_exception(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    if error.status < 400:
        return error
    texts = {
        404: ("not_found", f"No such endpoint: {request.method} {request.path}."),
        405: ("method_not_allowed", f"{request.method} is not allowed on {request.path}."),
        413: ("request_too_large", "The request body is too large."),
    }
    code, message = texts.get(error.status, ("http_error", error.reason))
    response = ApiError(error.status, message, code=code).response()
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"
