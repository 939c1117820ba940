"""A time limit on every request, so that a client that sends its body drop by drop holds nothing for long."""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from transceiver.signalling.errors import ApiError

_DEADLINE: web.RequestKey[asyncio.Timeout] = web.RequestKey("deadline", asyncio.Timeout)


def lift_deadline(request: web.Request) -> None:
    """The request has become a connection that may last."""
    request[_DEADLINE].reschedule(None)


def deadline_middleware(timeout_s: float) -> Middleware:
    """Middleware that ends a handler, and the reading of the body in it, after `timeout_s`.

    Raises:
        ApiError: 408.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                request[_DEADLINE] = deadline
                return await handler(request)
        except TimeoutError:
            message = f"The request was not complete within {timeout_s:g} s."
            raise ApiError(408, message, code="request_timeout", retry=True) from None

    return middleware
