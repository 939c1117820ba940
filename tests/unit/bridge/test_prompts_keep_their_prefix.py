"""Engines keep the attention state of prompts by their prefix: each begins as the one before it, byte for byte."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from offhook_worker import FunctionCalled, ImageInput, Item, Message, Role, ToolResult
from offhook_worker.agent.brain.interface import Prompt, Tool, ToolMode
from offhook_worker.bridge.chat import chat_request
from offhook_worker.bridge.messages import recent
from offhook_worker.bridge.settings import ChatServer

WEATHER = Tool("weather", "Weather in a city", {"type": "object", "properties": {"city": {"type": "string"}}})
SERVER = ChatServer(url="http://127.0.0.1:1/v1", instructions="You speak on the telephone.", max_history_items=8)
CALL = FunctionCalled("f1", "call_1", "weather", '{"city": "Rome"}', "resp_2")
CONVERSATION: list[Item] = [
    Message("u1", Role.USER, "Hello"),
    Message("a1", Role.ASSISTANT, "Hello. How can I help?", response_id="resp_1"),
    Message("u2", Role.USER, "What is the weather in Rome?"),
    Message("a2", Role.ASSISTANT, "Let me look.", response_id="resp_2"),
    CALL,
    ToolResult("r1", "call_1", '{"sky": "blue"}'),
    Message("a3", Role.ASSISTANT, "It is sunny.", response_id="resp_3"),
    Message("u3", Role.USER, "Thanks"),
]


def body(items: Sequence[Item], minute: int = 0, **fields: object) -> dict[str, object]:
    now = datetime(2026, 11, 24, 10, minute, tzinfo=UTC)
    prompt = Prompt(items, now, instructions="Be brief.", tools=(WEATHER,), **fields)  # type: ignore[arg-type]
    return chat_request(SERVER, "m", prompt)


def text(request: dict[str, object], key: str) -> str:
    return json.dumps(request[key])


def test_each_turns_prompt_begins_with_all_of_the_one_before() -> None:
    # Prompts are made where an answer is asked for: after each message of the caller's and after each result.
    asked_at = [1, 3, 6, 8]
    requests = [body(CONVERSATION[:count], minute) for minute, count in enumerate(asked_at)]
    for earlier, later in pairwise(requests):
        assert text(later, "messages").startswith(text(earlier, "messages").removesuffix("]"))
        assert len(text(later, "messages")) > len(text(earlier, "messages"))
        assert text(later, "tools") == text(earlier, "tools")


def test_the_same_conversation_is_the_same_prompt_at_any_time() -> None:
    assert json.dumps(body(CONVERSATION, 1)) == json.dumps(body(CONVERSATION, 59))


def test_what_is_asked_of_one_answer_alone_comes_last_and_leaves_no_trace() -> None:
    plain = body(CONVERSATION)
    for fields in (
        {"directive": "Say goodbye."},
        {"tool_choice": ToolMode.NONE},
        {"tool_choice": ToolMode.REQUIRED, "only_tool": "weather"},
    ):
        special = body(CONVERSATION, **fields)
        assert text(special, "messages").startswith(text(plain, "messages").removesuffix("]"))
        assert text(special, "tools") == text(plain, "tools")
    assert body(CONVERSATION, directive="Say goodbye.")["messages"][-1] == {  # type: ignore[index]
        "role": "system",
        "content": "Say goodbye.",
    }


def test_an_answer_that_was_interrupted_changes_nothing_before_it() -> None:
    whole = body(CONVERSATION[:2])
    cut = body([CONVERSATION[0], Message("a1", Role.ASSISTANT, "Hello.", response_id="resp_1")])
    before = text(body(CONVERSATION[:1]), "messages").removesuffix("]")
    assert text(whole, "messages").startswith(before)
    assert text(cut, "messages").startswith(before)


def test_a_call_and_its_result_are_written_as_engines_insist() -> None:
    messages = body(CONVERSATION)["messages"]
    function = {"name": "weather", "arguments": '{"city": "Rome"}'}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    assert messages[4:6] == [  # type: ignore[index]
        {"role": "assistant", "content": "Let me look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"sky": "blue"}'},
    ]


def test_a_call_without_its_result_yet_and_a_result_without_its_call_are_left_out() -> None:
    messages = body([CALL, Message("u", Role.USER, "Well?"), ToolResult("r", "call_9", "lost")])["messages"]
    assert [each["role"] for each in messages] == ["system", "user"]  # type: ignore[attr-defined]


def test_a_late_result_stands_behind_its_call() -> None:
    late: list[Item] = [CALL, Message("u", Role.USER, "Well?"), ToolResult("r", "call_1", "sunny")]
    roles = [each["role"] for each in body(late)["messages"]]  # type: ignore[attr-defined]
    assert roles == ["system", "assistant", "tool", "user"]


def test_a_long_conversation_loses_its_oldest_half_at_once() -> None:
    items = [Message(str(number), Role.USER, str(number)) for number in range(40)]
    kept = [recent(items[:count], 8) for count in range(1, 41)]
    starts = [each[0].item_id for each in kept]
    assert all(len(each) <= 8 for each in kept)
    assert all(each[-1].item_id == str(count) for count, each in enumerate(kept))
    # Seven of eight prompts that follow a full one begin as the one before did.
    changes = sum(earlier != later for earlier, later in pairwise(starts))
    assert changes <= len(items) // 4


def test_pictures_go_to_models_that_see() -> None:
    shown = Message("u", Role.USER, "What is this?", images=(ImageInput("u", "image/png", b"png", "low"),))
    assert body([shown])["messages"][-1]["content"] == "What is this?\n[A picture, which you cannot see.]"  # type: ignore[index]
    seeing = chat_request(SERVER.model_copy(update={"images": True}), "m", Prompt([shown], datetime.now(UTC)))
    assert seeing["messages"][-1]["content"][1] == {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,cG5n", "detail": "low"},
    }
