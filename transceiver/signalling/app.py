"""The web application: every endpoint, with errors, CORS and body limits in one place."""

from collections.abc import Collection
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from transceiver.calls.call_service import CallService
from transceiver.signalling.access.principal import ALLOWANCE, Access
from transceiver.signalling.calls_api import CallsApi
from transceiver.signalling.client_secrets_api import ClientSecretsApi
from transceiver.signalling.cors import cors_middleware
from transceiver.signalling.deadline import deadline_middleware
from transceiver.signalling.errors import error_middleware
from transceiver.signalling.idempotency import Answers, idempotency_middleware
from transceiver.signalling.models_api import ModelsApi
from transceiver.signalling.openapi import OpenApiEndpoint
from transceiver.signalling.owner import CallOwner
from transceiver.signalling.realtime_socket import RealtimeSocketApi
from transceiver.signalling.whip import WhipApi

# Above the sum of what a request waits for: its body, several workers' answers, a peer.
REQUEST_TIMEOUT_S = 20.0
PAGE = Path(__file__).parent.parent / "page"
# The page loads nothing from elsewhere and runs no inline code.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@web.middleware
async def _page_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if not response.prepared:
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
    return response


def make_app(
    calls: CallService,
    access: Access,
    owner: CallOwner,
    *,
    cors_origins: Collection[str],
    max_body_bytes: int,
    request_timeout_s: float = REQUEST_TIMEOUT_S,
) -> web.Application:
    """Builds the application. `max_body_bytes` bounds every request body, `request_timeout_s` its handling."""
    app = web.Application(
        middlewares=[
            cors_middleware(cors_origins),
            _page_headers,
            error_middleware,
            deadline_middleware(request_timeout_s),
            idempotency_middleware(Answers(), access),
        ],
        client_max_size=max_body_bytes,
    )
    app.on_response_prepare.append(_tell_allowance)
    endpoints = [
        *CallsApi(calls, access, owner).endpoints(),
        *ClientSecretsApi(calls, access).endpoints(),
        *ModelsApi(calls, access).endpoints(),
        RealtimeSocketApi(calls, access, owner).endpoint(),
        *WhipApi(calls, access, owner).endpoints(),
    ]
    for endpoint in (*endpoints, OpenApiEndpoint(endpoints).endpoint):
        if endpoint.method == "GET":
            app.router.add_get(endpoint.path, endpoint.handler)
        else:
            app.router.add_route(endpoint.method, endpoint.path, endpoint.handler)
    app.router.add_get("/", _index)
    app.router.add_static("/page/", PAGE)
    return app


async def _tell_allowance(request: web.Request, response: web.StreamResponse) -> None:
    allowance = request.get(ALLOWANCE)
    if allowance is not None:
        response.headers.update(allowance.headers())


async def _index(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})
