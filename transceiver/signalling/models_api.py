"""`/v1/models`: what a call may name."""

from aiohttp import web

from transceiver.calls.call_service import CallService
from transceiver.signalling.access.principal import Access
from transceiver.signalling.answer_schema import ModelAnswer, ModelListAnswer
from transceiver.signalling.endpoint import JSON, Endpoint
from transceiver.signalling.errors import ApiError


class ModelsApi:
    """Handlers of the model endpoints, in OpenAI's shapes."""

    def __init__(self, calls: CallService, access: Access) -> None:
        self._calls = calls
        self._access = access

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        return [
            Endpoint("GET", "/v1/models", self.all, key="server", answer={JSON: ModelListAnswer}),
            Endpoint("GET", "/v1/models/{model}", self.one, key="server", answer={JSON: ModelAnswer}),
        ]

    async def all(self, request: web.Request) -> web.Response:
        """The models that a call may name, the default first."""
        self._access.server(request)
        answer = ModelListAnswer(data=[ModelAnswer(id=name) for name in self._calls.models()])
        return web.json_response(answer.model_dump())

    async def one(self, request: web.Request) -> web.Response:
        """One model."""
        self._access.server(request)
        name = request.match_info["model"]
        if name not in self._calls.models():
            raise ApiError(404, f"The model '{name}' does not exist here.", code="model_not_found", param="model")
        return web.json_response(ModelAnswer(id=name).model_dump())
