"""The effective configuration of a session, and how `session.update` changes it."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from transceiver.realtime.errors import EventError
from transceiver.realtime.model import ModelTraits
from transceiver.realtime.schema.base import check_depth, read
from transceiver.realtime.schema.session import (
    AudioFormat,
    AudioInput,
    AudioOutput,
    RealtimeConfig,
    SessionConfig,
    Tool,
    TranscriptionConfig,
    TurnDetection,
)

_REALTIME: TypeAdapter[RealtimeConfig] = TypeAdapter(RealtimeConfig)
_TRANSCRIPTION: TypeAdapter[TranscriptionConfig] = TypeAdapter(TranscriptionConfig)

# Objects whose absent fields keep their values; every other value is replaced as a whole.
_MERGED = frozenset({"audio", "input", "output", "turn_detection", "transcription", "noise_reduction"})
# Fields that null switches off. In every other, null brings back the default.
_NULL_IS_OFF = frozenset({"turn_detection", "transcription", "noise_reduction", "idle_timeout_ms"})
# The server's own: clients send back what they were told.
_READ_ONLY = frozenset({"id", "object", "expires_at", "client_secret"})

# Of turn detection, what has a meaning where nothing is answered.
_HEARD = ("type", "threshold", "prefix_padding_ms", "silence_duration_ms")

DATA_TYPES = {"realtime": "realtime.session", "transcription": "realtime.transcription_session"}


@dataclass(frozen=True, slots=True)
class SessionIdentity:
    """What no client can change. `expires_at` is in Unix seconds."""

    id: str
    model: str
    expires_at: int


class Configuration:
    """One session's configuration: validated, complete, echoed in full.

    Args:
        model: decides what holds where the client says nothing.
        given: the session object that came with the call or the connection; empty for none.

    Raises:
        EventError: `given` is refused.
    """

    def __init__(self, identity: SessionIdentity, model: ModelTraits, given: Mapping[str, Any]) -> None:
        self._identity = identity
        self._model = model
        check_depth(given, "session")
        kind = given.get("type", "realtime")
        if kind not in DATA_TYPES:
            supported = ", ".join(f"'{each}'" for each in DATA_TYPES)
            raise EventError(
                f"Invalid value: '{str(kind)[:64]}'. Supported values are: {supported}.",
                code="invalid_value",
                param="session.type",
            )
        # As far as the client has set it: what is not here is the default.
        self._given: dict[str, Any] = {"type": kind}
        self._current = self._validate(self._given)
        self._apply(given)

    @property
    def current(self) -> SessionConfig:
        """The effective configuration."""
        return self._current

    @property
    def realtime(self) -> RealtimeConfig | None:
        """The effective configuration where the model answers; None in a transcription session."""
        return self._current if isinstance(self._current, RealtimeConfig) else None

    @property
    def input(self) -> AudioInput:
        """The caller's side."""
        return self._current.audio.input

    @property
    def output(self) -> AudioOutput:
        """The model's side; a transcription session's is never heard."""
        return self._current.audio.output if isinstance(self._current, RealtimeConfig) else AudioOutput()

    @property
    def turn_detection(self) -> TurnDetection | None:
        """How turns are found; None where the client says itself."""
        return self.input.turn_detection

    @property
    def tools(self) -> Sequence[Tool]:
        """What the model may call."""
        return self.realtime.tools if self.realtime is not None else ()

    @property
    def output_format(self) -> AudioFormat:
        """Of the audio that events carry to the client."""
        return self.output.format

    @property
    def given(self) -> Mapping[str, Any]:
        """What the client has set, merged, as it wrote it."""
        return self._given

    def update(self, patch: Mapping[str, Any], *, has_spoken: bool) -> None:
        """Merges the fields present, or leaves everything as it is.

        Args:
            has_spoken: the model has been heard, which fixes its voice.

        Raises:
            EventError: a field is refused.
        """
        kind = self._given["type"]
        if "type" not in patch:
            raise EventError(
                "Missing required parameter: 'session.type'.", code="missing_required_parameter", param="session.type"
            )
        if patch["type"] != kind:
            message = f"Passing a {str(patch['type'])[:64]} session update event to a {kind} session is not allowed."
            raise EventError(message, code="invalid_parameter", param="session.type")
        self._apply(patch, has_spoken=has_spoken)

    def restore(self, current: SessionConfig, given: Mapping[str, Any]) -> None:
        """Takes an update back."""
        self._current, self._given = current, dict(given)

    def as_json(self) -> dict[str, Any]:
        """The session object of `session.created` and `session.updated`."""
        kind = self._given["type"]
        head = {
            "id": self._identity.id,
            "object": DATA_TYPES[kind],
            "type": kind,
            "expires_at": self._identity.expires_at,
        }
        if kind == "realtime":
            head["model"] = self._identity.model
        session = head | self._current.model_dump()
        detection = session["audio"]["input"]["turn_detection"]
        if kind == "transcription" and detection is not None:
            session["audio"]["input"]["turn_detection"] = {key: detection[key] for key in _HEARD if key in detection}
        return session

    def _apply(self, patch: Mapping[str, Any], *, has_spoken: bool = False) -> None:
        present = {key: value for key, value in patch.items() if key not in _READ_ONLY}
        # Clients name a model of their own choice in every update; the one that answers is fixed.
        model = present.pop("model", None)
        if model is not None and not isinstance(model, str):
            message = "Invalid type for 'session.model': expected a string."
            raise EventError(message, code="invalid_type", param="session.model")
        merged = _merge(self._given, present)
        changed = self._validate(merged)
        if has_spoken and _voice(changed) != _voice(self._current):
            raise EventError(
                "Cannot update a conversation's voice if assistant audio is present.",
                code="cannot_update_voice",
                param="session.audio.output.voice",
            )
        self._given, self._current = merged, changed

    def _validate(self, given: dict[str, Any]) -> SessionConfig:
        complete = self._with_model_defaults(given)
        config: SessionConfig
        if given["type"] == "transcription":
            config = read(_TRANSCRIPTION, complete, "session")
        else:
            config = read(_REALTIME, complete, "session")
            if len(config.output_modalities) > 1:
                raise EventError(
                    f"Invalid modalities: {config.output_modalities}. "
                    "Supported combinations are: ['text'] and ['audio'].",
                    code="invalid_value",
                    param="session.output_modalities",
                )
        return config

    def _with_model_defaults(self, given: dict[str, Any]) -> dict[str, Any]:
        """A model that does not converse detects no turns and answers none, unless the client says so."""
        if self._model.converses:
            return given
        complete = copy.deepcopy(given)
        audio = complete.setdefault("audio", {})
        heard = audio.setdefault("input", {}) if isinstance(audio, dict) else None
        if isinstance(heard, dict):
            detection = heard.setdefault("turn_detection", None)
            if isinstance(detection, dict):
                detection.setdefault("create_response", False)
                detection.setdefault("interrupt_response", False)
        return complete


def merge_sessions(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The session object `given`, with what `defaults` has where it is silent; all of it if it is of another type."""
    if given.get("type", defaults.get("type")) != defaults.get("type"):
        return dict(given)
    return _merge(defaults, given)


def _merge(current: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`current` with the fields of `patch`; neither is changed, though they share what is below."""
    merged = dict(current)
    for key, value in patch.items():
        before = merged.get(key)
        if value is None and key not in _NULL_IS_OFF:
            merged.pop(key, None)
        elif key in _MERGED and isinstance(value, dict):
            same_kind = isinstance(before, dict) and value.get("type", before.get("type")) == before.get("type")
            merged[key] = _merge(before if isinstance(before, dict) and same_kind else {}, value)
        else:
            merged[key] = value
    return merged


def _voice(config: SessionConfig) -> str | None:
    return config.audio.output.voice if isinstance(config, RealtimeConfig) else None
