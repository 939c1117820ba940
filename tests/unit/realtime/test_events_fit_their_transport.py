"""Events that are longer than a transport carries."""

import base64
import json
from typing import Any

import pytest

from tests.support.openai_events import check_server_event
from tests.support.realtime_scene import RealtimeScene
from transceiver.realtime.sizing import fit

IMAGE = "data:image/png;base64," + base64.b64encode(bytes(90_000)).decode()


def test_a_large_image_is_not_sent_back() -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": IMAGE}]}
    for event in RealtimeScene().open().send("conversation.item.create", item=item):
        sent: dict[str, Any] = json.loads(fit(event, 65_536))
        check_server_event(sent)
        assert sent["type"] == event["type"]
        assert "image_url" not in sent["item"]["content"][0]
        assert sent["item"]["id"] == event["item"]["id"]


def test_what_cannot_be_shortened_is_an_error_that_names_it() -> None:
    tool = {"type": "function", "name": "f", "description": "x" * 70_000}
    (updated,) = RealtimeScene().open().send("session.update", session={"type": "realtime", "tools": [tool]})
    sent = json.loads(fit(updated, 65_536))
    check_server_event(sent)
    assert sent["error"]["code"] == "event_too_large"
    assert "session.updated" in sent["error"]["message"]


@pytest.mark.parametrize("text", ["ü", "漢字", "\U0001f600"])
def test_the_limit_is_in_bytes(text: str) -> None:
    (updated,) = RealtimeScene().open().send("session.update", session={"type": "realtime", "instructions": text})
    assert len(fit(updated, 65_536).encode()) <= 65_536
    assert json.loads(fit(updated, len(fit(updated, 65_536))))["session"]["instructions"] == text
