"""Cross-origin access, so that a page served elsewhere may place calls.

`Location` must be exposed, else a browser's SDK never learns its call id; `*` does not cover `Authorization` in
Access-Control-Allow-Headers, so headers are listed.
"""

from collections.abc import Collection

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

ALLOWED_HEADERS = (
    "Authorization, Content-Type, If-Match, Idempotency-Key, X-OpenAI-Agents-SDK, OpenAI-Beta, OpenAI-Safety-Identifier"
)
ALLOWED_METHODS = "GET, POST, PATCH, DELETE, OPTIONS"
EXPOSED_HEADERS = (
    "Location, ETag, Accept-Patch, Retry-After, x-request-id, "
    "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests"
)


def cors_middleware(origins: Collection[str]) -> Middleware:
    """Middleware that answers preflights and marks responses for the given origins ("*": any)."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        response = web.Response(status=204) if preflight else await handler(request)
        if origin is None or not ("*" in origins or origin in origins) or response.prepared:
            return response
        headers = response.headers
        headers["Access-Control-Allow-Origin"] = "*" if "*" in origins else origin
        headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        headers.add("Vary", "Origin")
        if preflight:
            headers["Access-Control-Allow-Methods"] = ALLOWED_METHODS
            headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            headers["Access-Control-Max-Age"] = "86400"
        return response

    return middleware
