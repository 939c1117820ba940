"""Client events of the Realtime API, legal ones and others, for property tests."""

from typing import Any

from hypothesis import strategies as st

IDS = st.sampled_from(["a", "b", "c", "root", "nope", "", "x" * 65])
TEXTS = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(
    [
        *("session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear"),
        *("output_audio_buffer.clear", "conversation.item.create", "conversation.item.retrieve"),
        *("conversation.item.truncate", "conversation.item.delete", "response.create", "response.cancel", "invented"),
    ]
)
FIELDS = st.sampled_from(
    ["session", "audio", "item", "item_id", "previous_item_id", "content_index", "audio_end_ms", "response", "event_id"]
)
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["input_text", "output_text", "input_audio", "output_audio"])},
    optional={"text": TEXTS, "transcript": TEXTS, "audio": st.none()},
)
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "function_call_output"])},
    optional={
        "id": IDS,
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": st.lists(PARTS, max_size=2),
        "call_id": st.sampled_from(["call_1", "call_2"]),
        "name": TEXTS,
        "arguments": TEXTS,
        "output": TEXTS,
        "status": st.sampled_from(["completed", "incomplete", "in_progress"]),
    },
)
DETECTIONS = st.none() | st.fixed_dictionaries(
    {"type": st.sampled_from(["server_vad", "semantic_vad"])},
    optional={"create_response": st.booleans(), "interrupt_response": st.booleans()},
)
RESPONSES = st.fixed_dictionaries(
    {},
    optional={
        "conversation": st.sampled_from(["auto", "none"]),
        "output_modalities": st.sampled_from([["text"], ["audio"], ["text", "audio"]]),
        "input": st.lists(ITEMS | st.fixed_dictionaries({"type": st.just("item_reference"), "id": IDS}), max_size=2),
        "instructions": st.none() | TEXTS,
    },
)


def _event(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind), **fields})


LEGAL = st.one_of(
    _event("conversation.item.create", item=ITEMS, previous_item_id=st.none() | IDS),
    _event("conversation.item.retrieve", item_id=IDS),
    _event("conversation.item.delete", item_id=IDS),
    _event("conversation.item.truncate", item_id=IDS, content_index=st.just(0), audio_end_ms=st.integers(0, 500)),
    _event("input_audio_buffer.append", audio=st.sampled_from(["", "AAAA", "A" * 12_800])),
    _event("input_audio_buffer.commit"),
    _event("input_audio_buffer.clear"),
    _event("response.create", response=RESPONSES),
    _event("response.cancel"),
    _event(
        "session.update",
        session=st.fixed_dictionaries(
            {
                "type": st.just("realtime"),
                "audio": st.fixed_dictionaries({"input": st.fixed_dictionaries({"turn_detection": DETECTIONS})}),
            }
        ),
    ),
)
"""In form; whether one may come now is another matter."""

ANYTHING = st.builds(lambda fields, kind: {**fields, "type": kind}, st.dictionaries(FIELDS, JSON, max_size=4), TYPES)
"""A type that there is, or not, with fields of any shape."""
