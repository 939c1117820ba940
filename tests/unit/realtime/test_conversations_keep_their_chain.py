"""Items: where they go, what clients read back, what the worker is told."""

import base64
from typing import Any

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.realtime_scene import ECHO, RealtimeScene, kinds
from transceiver.realtime import conversation

PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()


def message(text: str, role: str = "user", **fields: object) -> dict[str, Any]:
    """A message with one text."""
    part = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": part, "text": text}], **fields}


def order(scene: RealtimeScene) -> list[str | None]:
    """The ids of a session's history."""
    return [item.item_id for item in scene.session.history()]


@pytest.mark.realtime("conversation.item.create")
def test_items_go_where_the_client_says() -> None:
    scene = RealtimeScene().open()
    added, done = scene.send("conversation.item.create", item=message("b", id="b"))
    assert (added["item"]["id"], added["previous_item_id"], done["previous_item_id"]) == ("b", None, None)
    (first, _) = scene.send("conversation.item.create", item=message("a", id="a"), previous_item_id="root")
    assert first["previous_item_id"] is None
    (last, _) = scene.send("conversation.item.create", item=message("d", "assistant", id="d"))
    assert last["previous_item_id"] == "b"
    (between, _) = scene.send("conversation.item.create", item=message("c", "system", id="c"), previous_item_id="b")
    assert between["previous_item_id"] == "b"
    assert order(scene) == ["a", "b", "c", "d"]


@pytest.mark.realtime("image input")
def test_the_worker_hears_of_items_in_the_shape_it_needs() -> None:
    scene = RealtimeScene().open()
    content = [{"type": "input_text", "text": "Look:"}, {"type": "input_image", "image_url": PIXEL}]
    scene.send("conversation.item.create", item={"type": "message", "role": "user", "id": "u", "content": content})
    assert [(each.item_id, each.text) for each in scene.told("text")] == [("u", "Look:")]
    assert [(each.item_id, each.mime_type, each.data) for each in scene.told("image")] == [
        ("u", "image/png", b"\x89PNG")
    ]
    scene.send("conversation.item.create", item=message("Be kind.", "system", id="s"), previous_item_id="root")
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    scene.send("conversation.item.create", item=call)
    inserts = [each.insert for each in scene.told("history_edit")]
    assert (inserts[0].previous_item_id, inserts[0].item.message.role) == ("", pb.ROLE_SYSTEM)
    assert (inserts[1].previous_item_id, inserts[1].item.function_call.call_id) == ("u", "c1")
    scene.send("conversation.item.delete", item_id="u")
    assert scene.told("history_edit")[-1].delete_item_id == "u"


@pytest.mark.realtime(
    "conversation.item.retrieve", "conversation.item.retrieved", "conversation.item.delete", "conversation.item.deleted"
)
def test_an_item_is_retrieved_and_deleted_by_its_id() -> None:
    scene = RealtimeScene().open()
    scene.send("conversation.item.create", item=message("a", id="a"))
    (retrieved,) = scene.send("conversation.item.retrieve", item_id="a")
    assert retrieved["item"]["content"] == [{"type": "input_text", "text": "a"}]
    assert kinds(scene.send("conversation.item.delete", item_id="a")) == ["conversation.item.deleted"]
    (error,) = scene.send("conversation.item.retrieve", item_id="a", event_id="rci_a")
    assert (error["error"]["code"], error["error"]["event_id"]) == ("item_retrieve_invalid_item_id", "rci_a")
    (error,) = scene.send("conversation.item.delete", item_id="a")
    assert error["error"]["code"] == "item_delete_invalid_item_id"


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (message("x", id="taken"), "item_create_duplicate_item_id"),
        ({"type": "function_call_output", "call_id": "never", "output": ""}, "invalid_tool_call_id"),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": ""}]},
            "unsupported_content_type",
        ),
        ({"type": "message", "role": "robot", "content": []}, "invalid_value"),
        ({"type": "mcp_approval_response", "approve": True}, "missing_required_parameter"),
        ({"type": "mcp_approval_response", "approve": True, "approval_request_id": "x"}, "invalid_value"),
        ({"role": "user", "content": []}, "missing_required_parameter"),
        ({"type": "message", "role": "user", "content": [{"type": "input_video"}]}, "invalid_value"),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "http://x/y.png"}]},
            "invalid_value",
        ),
        (
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_image", "image_url": "data:image/png;base64,*"}],
            },
            "invalid_value",
        ),
        ("text", "missing_required_parameter"),
    ],
)
def test_items_that_cannot_be_are_refused_and_nothing_changes(item: Any, code: str) -> None:  # noqa: ANN401 - JSON
    scene = RealtimeScene().open()
    scene.send("conversation.item.create", item=message("x", id="taken"))
    (error,) = scene.send("conversation.item.create", item=item, event_id="e")
    assert error["type"] == "error"
    assert (error["error"]["code"], error["error"]["event_id"]) == (code, "e"), error
    assert order(scene) == ["taken"]


def test_an_unknown_previous_item_is_an_error() -> None:
    (error,) = (
        RealtimeScene()
        .open()
        .send("conversation.item.create", item=message("x"), previous_item_id="nope", event_id="e")
    )
    assert error["error"]["code"] == "item_create_invalid_previous_item_id"


def test_a_model_without_eyes_refuses_images() -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": PIXEL}]}
    (error,) = RealtimeScene(model=ECHO).open().send("conversation.item.create", item=item)
    assert error["error"]["code"] == "unsupported_content_type"


def test_items_with_nulls_for_what_they_lack_are_read() -> None:
    item = message("x", id="x", call_id=None, status="completed", object="realtime.item", name=None)
    item["content"][0] |= {"audio": None, "transcript": None}
    assert kinds(RealtimeScene().open().send("conversation.item.create", item=item))[0] == "conversation.item.added"


def test_the_oldest_items_go_when_a_conversation_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "MAX_ITEMS", 3)
    scene = RealtimeScene().open()
    for name in "abcd":
        events = scene.send("conversation.item.create", item=message(name, id=name))
    assert kinds(events) == ["conversation.item.deleted", "conversation.item.added", "conversation.item.done"]
    assert order(scene) == ["b", "c", "d"]
    assert scene.told("history_edit")[-1].delete_item_id == "a"


def test_a_history_holds_what_was_said_and_heard() -> None:
    scene = RealtimeScene({"audio": {"input": {"transcription": {"model": "m"}}}}).open()
    item_id = scene.says(0, 500_000)[0]["item_id"]
    scene.worker(input_transcription=pb.InputTranscription(item_id=item_id, done=True, text="Two and two?"))
    scene.speaks(scene.asked.response_id, "Four of course.", 10)
    scene.plays(scene.asked.response_id, 4)
    scene.interrupts(900_000)
    user, assistant = scene.session.history()
    assert user.message.content[0].transcript == "Two and two?"
    assert assistant.message.content[0].transcript == "Four"
