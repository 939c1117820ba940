"""Which Realtime API a server speaks, told by its first event. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Dialect(StrEnum):
    """What `session.created` looks like tells them apart."""

    GA = "ga"
    """OpenAI's of today; vLLM-Omni's subset of it, LocalAI, speech-to-speech, offhook itself."""
    BETA = "beta"
    """A flat session and older event names: Azure's preview, Speaches, Qwen, xAI."""
    TURNS = "turns"
    """vLLM-Omni's older one: no items, no responses; a commit that is not final starts the generation."""
    DUPLEX = "duplex"
    """vLLM-Omni's full duplex, which this bridge does not speak."""


_FLAT = ("modalities", "input_audio_format", "output_audio_format")


def dialect_of(created: Mapping[str, Any]) -> Dialect | None:
    """The dialect of a server whose first event is this one; None: it is no `session.created`."""
    if created.get("type") != "session.created":
        return None
    session = created.get("session")
    if not isinstance(session, dict):
        return Dialect.TURNS if "id" in created else None
    if "capabilities" in session:
        return Dialect.DUPLEX
    return Dialect.BETA if "audio" not in session and any(name in session for name in _FLAT) else Dialect.GA
