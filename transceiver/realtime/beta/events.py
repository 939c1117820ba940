"""Events of the beta, and the present ones, made of each other: names, item contents, the session, responses.

| beta | present |
|---|---|
| `response.text.*`, `response.audio.*`, `response.audio_transcript.*` | `response.output_text.*`, … |
| `conversation.item.created` | `conversation.item.added`; `.done` has no counterpart |
| `transcription_session.update`, `.updated` | `session.update`, `session.updated` |
| contents `text`, `audio` of the assistant's items | `output_text`, `output_audio` |

Events that the beta did not have are not sent.
"""

from collections.abc import Mapping
from typing import Any, Final

from transceiver.realtime.beta.session import (
    beta_format,
    beta_session,
    present_format,
    present_modalities,
    present_session,
)

Event = dict[str, Any]

_NAMES: Final = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
}
_UNKNOWN: Final = ("conversation.item.done", "input_audio_buffer.timeout_triggered", "mcp_list_tools.", "response.mcp_")
_CONTENTS: Final = {"output_text": "text", "output_audio": "audio"}
_PRESENT_CONTENTS: Final = {beta: present for present, beta in _CONTENTS.items()}


def beta_event(event: Event) -> Event | None:
    """A server event as the beta had it; None: it had no such event."""
    kind: str = event["type"]
    if kind.startswith(_UNKNOWN):
        return None
    changed = event | {"type": _NAMES.get(kind, kind)}
    if kind in {"session.created", "session.updated"}:
        if event["session"]["type"] == "transcription":
            changed["type"] = f"transcription_{kind}"
        changed["session"] = beta_session(event["session"])
    if kind == "response.function_call_arguments.done":
        changed.pop("name", None)
    if "item" in event:
        changed["item"] = _renamed(event["item"], _CONTENTS)
    if "response" in event:
        changed["response"] = _beta_response(event["response"])
    return changed


def present_event(event: Event) -> Event:
    """The client event that one of the beta means. One that says it as it is said now is left as it is.

    Raises:
        EventError: its session is none of the beta's.
    """
    kind = event.get("type")
    session, item, response = event.get("session"), event.get("item"), event.get("response")
    if kind == "session.update" and isinstance(session, dict) and "type" not in session:
        return event | {"session": present_session(session, "realtime")}
    if kind == "transcription_session.update" and isinstance(session, dict):
        return event | {"type": "session.update", "session": present_session(session, "transcription")}
    if kind == "conversation.item.create" and isinstance(item, dict):
        return event | {"item": _renamed_if_said(item)}
    if kind == "response.create" and isinstance(response, dict):
        return event | {"response": _present_response(response)}
    return event


def _beta_response(response: Mapping[str, Any]) -> Event:
    changed = dict(response)
    output = (changed.pop("audio", None) or {}).get("output") or {}
    modalities = changed.pop("output_modalities", None) or []
    return changed | {
        "modalities": ["audio", "text"] if "audio" in modalities else modalities,
        "voice": output.get("voice"),
        "output_audio_format": beta_format(output.get("format")),
        "output": [_renamed(item, _CONTENTS) for item in response.get("output", ())],
    }


def _present_response(response: Mapping[str, Any]) -> Event:
    changed = dict(response)
    output: dict[str, Any] = {}
    if "voice" in changed:
        output["voice"] = changed.pop("voice")
    if "output_audio_format" in changed:
        output["format"] = present_format(changed.pop("output_audio_format"), "response.output_audio_format")
    if output:
        changed["audio"] = {"output": output}
    if "modalities" in changed:
        changed["output_modalities"] = present_modalities(changed.pop("modalities"))
    if "max_response_output_tokens" in changed:
        changed["max_output_tokens"] = changed.pop("max_response_output_tokens")
    if isinstance(changed.get("input"), list):
        changed["input"] = [_renamed_if_said(item) if isinstance(item, dict) else item for item in changed["input"]]
    return changed


def _renamed_if_said(item: Event) -> Event:
    """Only what the assistant has said has other names."""
    return _renamed(item, _PRESENT_CONTENTS) if item.get("role") == "assistant" else item


def _renamed(item: Event, names: Mapping[str, str]) -> Event:
    content = item.get("content")
    if not isinstance(content, list):
        return item
    return item | {
        "content": [
            part | {"type": names.get(str(part.get("type")), part.get("type"))} if isinstance(part, dict) else part
            for part in content
        ]
    }
