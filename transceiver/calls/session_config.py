"""The Realtime API's session object as workers get it: what the protocol names, and the rest as it came."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from offhook_proto.worker.v1 import worker_pb2

from transceiver.signalling.errors import ApiError

_NAMED_OR_OURS = frozenset({"type", "model", "instructions", "temperature"})


def session_config(session: Mapping[str, Any]) -> worker_pb2.SessionConfig:
    """Translates a session object, as parsed from JSON.

    Raises:
        ApiError: 400 for a field of the wrong type, or one that the protocol cannot carry (half a surrogate pair, a
            number beyond a double, nesting beyond 100 levels).
    """
    config = worker_pb2.SessionConfig()
    audio_output = _mapping(_mapping(session, "audio"), "output")
    for field, source in (
        ("instructions", session),
        ("voice", audio_output),
        ("speed", audio_output),
        ("temperature", session),
    ):
        if source.get(field) is not None:
            _set(config, field, source[field])
    rest = {key: value for key, value in session.items() if key not in _NAMED_OR_OURS}
    try:
        json_format.ParseDict(rest, config.extra)
    except (json_format.ParseError, ValueError, OverflowError):
        message = "'session' holds a value that cannot be passed on to a model."
        raise ApiError(400, message, code="invalid_value", param="session") from None
    return config


def _set(config: worker_pb2.SessionConfig, field: str, value: object) -> None:
    try:
        setattr(config, field, value)
    except (TypeError, ValueError):
        message = f"'session.{field}' has the wrong type."
        raise ApiError(400, message, code="invalid_type", param=f"session.{field}") from None


def _mapping(source: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = source.get(key)
    return value if isinstance(value, Mapping) else {}
