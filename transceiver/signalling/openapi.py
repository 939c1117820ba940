"""`/openapi.json`: the HTTP API as an OpenAPI 3.1 document, made of the table of endpoints and of the models they read.

https://spec.openapis.org/oas/v3.1.0. The WebSocket's events have no place in it.
"""

import inspect
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from transceiver.realtime.schema.session import RealtimeConfig, TranscriptionConfig
from transceiver.signalling.answer_schema import ErrorAnswer
from transceiver.signalling.endpoint import JSON, Content, Endpoint
from transceiver.signalling.idempotency import IDEMPOTENCY_KEY

_REF: Final = "#/components/schemas/{model}"
_KEYS: Final[dict[str, list[dict[str, list[str]]]]] = {
    "server": [{"apiKey": []}],
    "any": [{"apiKey": []}, {"ephemeralKey": []}],
    "none": [],
}


class OpenApiEndpoint:
    """Serves the document. Needs no key: it tells nothing of this installation."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoint = Endpoint("GET", "/openapi.json", self.get, key="none", answer={JSON: {"type": "object"}})
        self._document = document([*endpoints, self.endpoint])

    async def get(self, _request: web.Request) -> web.Response:
        """This document."""
        return web.json_response(self._document)


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document of these endpoints."""
    models = _models(endpoints)
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "offhook",
            "version": _version(),
            "summary": "The Realtime API: calls by WebRTC, sessions on WebSockets, and WHIP.",
        },
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "description": "A server's key."},
                "ephemeralKey": {"type": "http", "scheme": "bearer", "description": "A browser's key, `ek_…`."},
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    text = inspect.getdoc(endpoint.handler) or ""
    summary, _, description = text.partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.method.lower()}{endpoint.path.translate(_TO_ID)}",
        "summary": summary.rstrip("."),
        "description": description.partition("Raises:")[0].strip(),
        "security": _KEYS[endpoint.key],
        "parameters": _parameters(endpoint),
        "responses": {
            str(endpoint.status): {
                "description": "Done.",
                "headers": {
                    name: {"description": text, "schema": {"type": "string"}} for name, text in endpoint.headers.items()
                },
                "content": _content(endpoint.answer),
            },
            "4XX": {"description": "Refused; the body says why.", "content": _content({JSON: ErrorAnswer})},
            "5XX": {"description": "Failed; the body says whose fault.", "content": _content({JSON: ErrorAnswer})},
        },
    }
    if endpoint.body:
        operation["requestBody"] = {"content": _content(endpoint.body)}
    return operation


_TO_ID: Final = str.maketrans({"/": "_", "{": None, "}": None, ".": "_"})


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")]
    text = {"type": "string"}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in names
    ]
    parameters += [
        {"name": name, "in": "query", "description": description, "schema": text}
        for name, description in endpoint.query.items()
    ]
    if endpoint.method == "POST":
        description = "Chosen by the client: the request is performed once, however often it is sent."
        parameters.append({"name": IDEMPOTENCY_KEY, "in": "header", "description": description, "schema": text})
    return parameters


def _content(content: Content) -> dict[str, Any]:
    return {kind: {"schema": _schema(shape)} for kind, shape in content.items()}


def _schema(shape: object) -> Any:  # noqa: ANN401 - JSON
    return {"$ref": _REF.format(model=shape.__name__)} if isinstance(shape, type) else shape


def _models(endpoints: Sequence[Endpoint]) -> list[type[BaseModel]]:
    models: dict[str, type[BaseModel]] = {
        each.__name__: each for each in (ErrorAnswer, RealtimeConfig, TranscriptionConfig)
    }
    for endpoint in endpoints:
        for shape in (*endpoint.body.values(), *endpoint.answer.values()):
            if isinstance(shape, type):
                models[shape.__name__] = shape
    return list(models.values())


def _version() -> str:
    try:
        return version("offhook")
    except PackageNotFoundError:
        return "0"
