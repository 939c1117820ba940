"""The Realtime API's server events that a call sends on its data channel, as JSON text.

See the Realtime API reference for the shapes; every event has an `event_id` of its own.
"""

import json
import secrets


def _event(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, "event_id": f"event_{secrets.token_hex(10)}", **fields})


def text_delta(response_id: str, delta: str) -> str:
    """More of an answer that is not spoken."""
    return _event("response.output_text.delta", **_place(response_id), delta=delta)


def transcript_delta(response_id: str, delta: str) -> str:
    """More words of a spoken answer."""
    return _event("response.output_audio_transcript.delta", **_place(response_id), delta=delta)


def input_transcript_delta(item_id: str, delta: str) -> str:
    """More of what the client said."""
    return _event("conversation.item.input_audio_transcription.delta", item_id=item_id, content_index=0, delta=delta)


def error(code: str, message: str) -> str:
    """Something went wrong on our side."""
    return _event(
        "error", error={"type": "server_error", "code": code, "message": message, "param": None, "event_id": None}
    )


def _place(response_id: str) -> dict[str, object]:
    """Where in a response a delta belongs. A response here has one item with one part."""
    return {"response_id": response_id, "item_id": f"item_{response_id}", "output_index": 0, "content_index": 0}
