"""Whatever a client sends, the answer is an event."""

import base64
from typing import Any

import pytest

from tests.support.openai_events import check_server_event
from tests.support.realtime_scene import RealtimeScene
from transceiver.realtime.effects import AppendAudio
from transceiver.realtime.transport import WEBSOCKET


@pytest.mark.realtime("error")
def test_an_unknown_type_lists_what_there_is() -> None:
    (error,) = RealtimeScene().open().send("session.destroy", event_id="e")
    assert (error["error"]["code"], error["error"]["param"]) == ("invalid_value", "type")
    assert "'response.create'" in error["error"]["message"]
    assert error["error"]["event_id"] == "e"


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "5", "null", "[]", '{"event_id": 3}', '{"type": ["a"]}'])
def test_text_that_is_no_event(text: str) -> None:
    scene = RealtimeScene().open()
    scene.session.client_text(text, scene.now)
    (error,) = scene.run()
    assert error["type"] == "error"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "session.update"}, "missing_required_parameter"),
        ({"type": "session.update", "session": []}, "invalid_type"),
        ({"type": "response.cancel", "why": "because"}, "unknown_parameter"),
        ({"type": "conversation.item.delete", "item_id": 3}, "invalid_type"),
        ({"type": "conversation.item.truncate", "item_id": "x", "content_index": 0}, "missing_required_parameter"),
        (
            {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": -1},
            "integer_below_min_value",
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 1.5},
            "invalid_type",
        ),
    ],
)
def test_fields_are_checked(event: dict[str, Any], code: str) -> None:
    scene = RealtimeScene().open()
    scene.session.client_event(event, scene.now)
    (error,) = scene.run()
    assert error["error"]["code"] == code, error


def test_audio_in_events_is_refused_where_audio_has_a_track() -> None:
    (error,) = RealtimeScene().open().send("input_audio_buffer.append", audio="AAAA")
    assert error["error"]["code"] == "invalid_event_for_transport"
    (error,) = RealtimeScene(transport=WEBSOCKET).open().send("output_audio_buffer.clear")
    assert error["error"]["code"] == "invalid_event_for_transport"


@pytest.mark.realtime("input_audio_buffer.append")
def test_audio_in_events_has_its_place_in_time() -> None:
    scene = RealtimeScene(transport=WEBSOCKET).open()
    second = base64.b64encode(bytes(48_000)).decode()
    assert scene.send("input_audio_buffer.append", audio=second) == []
    assert scene.send("input_audio_buffer.append", audio=second) == []
    assert scene.effects[-1] == AppendAudio(bytes(48_000), 1_000_000, 1_000_000)
    assert scene.send("input_audio_buffer.commit")[0]["type"] == "input_audio_buffer.committed"
    assert scene.told("turn")[-1].end_us == 2_000_000
    (error,) = scene.send("input_audio_buffer.append", audio="!!")
    assert error["error"]["param"] == "audio"
    (error,) = scene.send("input_audio_buffer.append", audio=base64.b64encode(b"123").decode())
    assert "16-bit" in error["error"]["message"]


def test_the_check_against_the_sdk_is_strict() -> None:
    (event,) = RealtimeScene().open().send("response.create")
    for broken in (
        event | {"type": "response.invented"},
        event | {"more": 1},
        {key: value for key, value in event.items() if key != "event_id"},
        event | {"response": event["response"] | {"usage": {"total_tokens": "1"}}},
    ):
        with pytest.raises((AssertionError, ValueError)):
            check_server_event(broken)
