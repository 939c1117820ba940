"""`/v1/models`: what a call may name."""

from typing import Any

from aiohttp import web

from transceiver.calls.call_service import CallService
from transceiver.signalling.access.principal import Access
from transceiver.signalling.errors import ApiError


class ModelsApi:
    """Handlers of the model endpoints, in OpenAI's shapes."""

    def __init__(self, calls: CallService, access: Access) -> None:
        self._calls = calls
        self._access = access

    def add_routes(self, app: web.Application) -> None:
        """Registers the endpoints."""
        app.router.add_get("/v1/models", self.list)
        app.router.add_get("/v1/models/{model}", self.retrieve)

    async def list(self, request: web.Request) -> web.Response:
        """All of them, the default first."""
        self._access.server(request)
        return web.json_response({"object": "list", "data": [_model(name) for name in self._calls.models()]})

    async def retrieve(self, request: web.Request) -> web.Response:
        """One."""
        self._access.server(request)
        name = request.match_info["model"]
        if name not in self._calls.models():
            raise ApiError(404, f"The model '{name}' does not exist here.", code="model_not_found", param="model")
        return web.json_response(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "offhook"}
