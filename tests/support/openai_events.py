"""Holds server events against the models of the official SDK (openai-python): nothing missing, nothing unknown."""

from typing import Any, get_args

from openai.types.realtime import (
    RealtimeSessionCreateResponse,
    RealtimeTranscriptionSessionCreateResponse,
    realtime_server_event,
)
from pydantic import BaseModel

# Its event models type the session as the request that creates one, without what the server adds.
_SESSIONS: dict[str, type[BaseModel]] = {
    "realtime": RealtimeSessionCreateResponse,
    "transcription": RealtimeTranscriptionSessionCreateResponse,
}


def _models_by_type() -> dict[str, type[BaseModel]]:
    union = get_args(realtime_server_event.RealtimeServerEvent)[0]
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(union)}


_MODELS = _models_by_type()


def check_server_event(event: dict[str, Any]) -> None:
    """Fails where the SDK knows no such event, misses a field, finds one it does not know, or a wrong type."""
    model = _MODELS.get(event["type"])
    assert model is not None, f"the SDK knows no event {event['type']}"
    parsed = model.model_validate(event, strict=True)
    if event["type"] in {"session.created", "session.updated"}:
        session = _SESSIONS[event["session"]["type"]].model_validate(event["session"], strict=True)
        _refuse_extras(session, "session")
    else:
        _refuse_extras(parsed, event["type"])


def _refuse_extras(value: object, path: str) -> None:
    if isinstance(value, BaseModel):
        assert not value.model_extra, f"unknown to the SDK: {path} {sorted(value.model_extra)}"
        for name in type(value).model_fields:
            _refuse_extras(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            _refuse_extras(each, f"{path}[{index}]")
