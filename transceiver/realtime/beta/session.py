"""The flat session object of the beta, and the present one, made of each other.

| beta | present |
|---|---|
| `modalities` `["audio", "text"]`, `["text"]` | `output_modalities` `["audio"]`, `["text"]` |
| `input_audio_format` `pcm16`, `g711_ulaw`, `g711_alaw` | `audio.input.format.type` `audio/pcm`, `…/pcmu`, `…/pcma` |
| `output_audio_format`, `voice`, `speed` | `audio.output` `format`, `voice`, `speed` |
| `input_audio_transcription`, `input_audio_noise_reduction`, `turn_detection` | `audio.input` `transcription`, … |
| `max_response_output_tokens` | `max_output_tokens` |

What has the same name in both is passed on as it is; whether it is right is for the present object's schema to say.
"""

from collections.abc import Mapping
from typing import Any, Final

from transceiver.realtime.errors import EventError

_FORMATS: Final = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_BETA_FORMATS: Final = {present: beta for beta, present in _FORMATS.items()}
_INPUT: Final = {
    "input_audio_format": "format",
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "turn_detection": "turn_detection",
}
_OUTPUT: Final = {"output_audio_format": "format", "voice": "voice", "speed": "speed"}
_SAME: Final = ("id", "object", "expires_at", "model", "instructions", "tools", "tool_choice", "tracing", "include")
# Of a transcription session, which has no other.
_TRANSCRIPTION: Final = frozenset({*_INPUT, "modalities", "include", "id", "object", "expires_at", "model"})


def present_session(flat: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The session object that a flat one means; only what is in that.

    Args:
        kind: "realtime" or "transcription".

    Raises:
        EventError: a field is not the beta's, or names no format of it.
    """
    session: dict[str, Any] = {"type": kind}
    directions: dict[str, dict[str, Any]] = {}
    for name, value in flat.items():
        if kind == "transcription" and name not in _TRANSCRIPTION:
            raise _unknown(name)
        if name in _INPUT:
            directions.setdefault("input", {})[_INPUT[name]] = _present_value(name, value)
        elif name in _OUTPUT:
            directions.setdefault("output", {})[_OUTPUT[name]] = _present_value(name, value)
        elif name == "modalities":
            # A transcription session has no output to choose.
            if kind == "realtime":
                session["output_modalities"] = present_modalities(value)
        elif name == "max_response_output_tokens":
            session["max_output_tokens"] = value
        elif name in _SAME or name == "temperature":
            session[name] = value
        else:
            raise _unknown(name)
    return session | ({"audio": directions} if directions else {})


def beta_session(session: Mapping[str, Any]) -> dict[str, Any]:
    """The flat object that the beta had for a complete session object."""
    flat = {name: session[name] for name in _SAME if name in session}
    audio = session["audio"]
    flat |= {name: beta_format(audio["input"].get(here)) for name, here in _INPUT.items()}
    if session["type"] == "realtime":
        flat |= {name: beta_format(audio["output"].get(here)) for name, here in _OUTPUT.items()}
        flat["modalities"] = ["audio", "text"] if "audio" in session["output_modalities"] else ["text"]
        flat["max_response_output_tokens"] = session["max_output_tokens"]
        flat["temperature"] = session.get("temperature") or 0.8
    else:
        flat["modalities"] = ["text"]
    return flat


def present_modalities(value: object) -> object:
    """The modalities that the beta's mean: audio had its text with it."""
    return ["audio"] if isinstance(value, list) and "audio" in value and "text" in value else value


def _present_value(name: str, value: object) -> object:
    return present_format(value, f"session.{name}") if name.endswith("_format") else value


def present_format(value: object, path: str) -> object:
    """The audio format that the beta called `value`.

    Raises:
        EventError: it knew none of that name.
    """
    if value is None:
        return None
    if not isinstance(value, str) or value not in _FORMATS:
        supported = ", ".join(f"'{each}'" for each in _FORMATS)
        message = f"Invalid value: '{str(value)[:64]}'. Supported values are: {supported}."
        raise EventError(message, code="invalid_value", param=path)
    return {"type": _FORMATS[value]} | ({"rate": 24_000} if value == "pcm16" else {})


def beta_format(value: object) -> object:
    """What the beta called an audio format; anything else as it is."""
    if isinstance(value, dict) and value.get("type") in _BETA_FORMATS:
        return _BETA_FORMATS[value["type"]]
    return value


def _unknown(name: str) -> EventError:
    return EventError(
        f"Unknown parameter: 'session.{name[:64]}'.", code="unknown_parameter", param=f"session.{name[:64]}"
    )
