"""MCP servers of a session: tools listed, called, approved, as OpenAI's events tell it. The shell's part is played."""

from typing import Any

import pytest

from tests.support.realtime_scene import RealtimeScene, kinds
from transceiver.realtime.effects import CallMcpTool, ListMcpTools
from transceiver.realtime.schema.items import McpError, McpListedTool
from transceiver.realtime.transport import DATA_CHANNEL, WEBSOCKET, Transport

URL = "http://127.0.0.1:9/mcp"
WEATHER = McpListedTool(
    name="get_weather", description="The weather", input_schema={"type": "object"}, annotations={"readOnlyHint": True}
)
BOOK = McpListedTool(name="book", description="Books a table")


def server(**given: object) -> dict[str, Any]:
    return {"type": "mcp", "server_label": "town", "server_url": URL, "require_approval": "never", **given}


def opened(tool: dict[str, Any] | None = None, transport: Transport = WEBSOCKET) -> RealtimeScene:
    """A session whose server has answered."""
    scene = RealtimeScene(given={"type": "realtime", "tools": [tool or server()]}, transport=transport)
    scene.session.open(scene.now)
    scene.run()
    answer(scene, [WEATHER, BOOK])
    scene.take()
    return scene


def answer(scene: RealtimeScene, tools: list[McpListedTool] | None) -> list[dict[str, Any]]:
    asked = next(each for each in reversed(scene.effects) if isinstance(each, ListMcpTools))
    scene.session.mcp_listed(asked.item_id, tools, scene.now)
    return scene.run()


def called(scene: RealtimeScene) -> CallMcpTool:
    return next(each for each in reversed(scene.effects) if isinstance(each, CallMcpTool))


def finish(scene: RealtimeScene, output: str | None, error: McpError | None = None) -> list[dict[str, Any]]:
    scene.session.mcp_called(called(scene).item_id, output, error, scene.now)
    return scene.run()


def ask(scene: RealtimeScene, name: str = "get_weather") -> list[dict[str, Any]]:
    """The model calls a function, and thinks that it is done."""
    scene.send("response.create")
    response_id = scene.asked.response_id
    events = scene.calls(response_id, "call_1", name, '{"city":"Paris"}')
    return events + scene.finishes(response_id)


@pytest.mark.realtime("mcp_list_tools.in_progress", "mcp_list_tools.completed")
@pytest.mark.parametrize("transport", [DATA_CHANNEL, WEBSOCKET], ids=lambda each: each.name)
def test_a_servers_tools_are_listed_and_reach_the_worker(transport: Transport) -> None:
    scene = RealtimeScene(transport=transport).open()
    events = scene.send("session.update", session={"type": "realtime", "tools": [server(authorization="secret")]})
    assert kinds(events) == ["session.updated", "conversation.item.added", "mcp_list_tools.in_progress"]
    assert "secret" not in str(events)
    assert [each.name for each in scene.told("update")[-1].config.tools] == []
    events = answer(scene, [WEATHER, BOOK])
    assert kinds(events) == ["mcp_list_tools.completed", "conversation.item.done"]
    assert [tool["name"] for tool in events[-1]["item"]["tools"]] == ["get_weather", "book"]
    assert [each.name for each in scene.told("update")[-1].config.tools] == ["get_weather", "book"]


@pytest.mark.realtime("mcp_list_tools.failed")
def test_a_server_that_cannot_be_asked() -> None:
    scene = RealtimeScene(given={"type": "realtime", "tools": [server()]}, transport=WEBSOCKET)
    scene.session.open(scene.now)
    scene.run()
    assert kinds(answer(scene, None)) == ["mcp_list_tools.failed", "conversation.item.done"]


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        (["book"], ["book"]),
        ({"tool_names": ["get_weather", "other"]}, ["get_weather"]),
        ({"read_only": True}, ["get_weather"]),
        ([], []),
    ],
)
def test_only_allowed_tools_are_offered(allowed: Any, names: list[str]) -> None:  # noqa: ANN401 - JSON
    scene = opened(server(allowed_tools=allowed))
    scene.send("response.create")
    assert [each.name for each in scene.asked.config.tools] == names


@pytest.mark.realtime(
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
    "response.mcp_call.completed",
)
def test_a_call_is_an_item_and_the_response_waits_for_it() -> None:
    scene = opened()
    events = ask(scene)
    assert kinds(events) == [
        *("response.output_item.added", "conversation.item.added"),
        *("response.mcp_call_arguments.delta", "response.mcp_call_arguments.done", "response.mcp_call.in_progress"),
    ]
    assert events[0]["item"]["type"] == "mcp_call"
    assert events[0]["item"]["output"] is None
    assert (called(scene).name, called(scene).arguments) == ("get_weather", '{"city":"Paris"}')
    events = finish(scene, "sunny")
    assert kinds(events) == [
        *("response.mcp_call.completed", "conversation.item.done", "response.output_item.done", "response.done"),
    ]
    assert events[1]["item"]["output"] == "sunny"
    assert events[-1]["response"]["status"] == "completed"
    (result,) = scene.told("tool_result")
    assert (result.call_id, result.output) == ("call_1", "sunny")
    call, told = scene.session.history()
    assert call.function_call.name == "get_weather"
    assert told.tool_result.output == "sunny"


@pytest.mark.realtime("response.mcp_call.failed")
def test_a_call_that_fails_says_why() -> None:
    scene = opened()
    ask(scene)
    events = finish(scene, None, McpError(type="http_error", code=502, message="Bad gateway"))
    assert events[0]["type"] == "response.mcp_call.failed"
    assert events[1]["item"]["error"] == {"type": "http_error", "code": 502, "message": "Bad gateway"}
    assert scene.told("tool_result")[-1].output == "Error: Bad gateway"


def test_an_interrupted_response_does_not_wait() -> None:
    scene = opened()
    ask(scene)
    events = scene.send("response.cancel")
    assert events[-1]["response"]["status"] == "cancelled"
    assert finish(scene, "late") == []
    assert scene.told("tool_result")[-1].output == "late", "the model may hear of it"


@pytest.mark.realtime("approval of MCP calls")
@pytest.mark.parametrize("approve", [True, False])
def test_a_call_waits_for_approval(*, approve: bool) -> None:
    scene = opened(server(require_approval="always"))
    events = ask(scene)
    request = next(each["item"] for each in events if each["type"] == "response.output_item.done")
    assert request["type"] == "mcp_approval_request"
    assert request["arguments"] == '{"city":"Paris"}'
    assert events[-1]["type"] == "response.done"
    assert not any(isinstance(each, CallMcpTool) for each in scene.effects)
    item = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": approve, "reason": "no"}
    events = scene.send("conversation.item.create", item=item)
    assert kinds(events)[:2] == ["conversation.item.added", "conversation.item.done"]
    if not approve:
        assert scene.told("tool_result")[-1].output == "The call was not approved: no"
    else:
        assert kinds(events)[2:] == ["conversation.item.added", "response.mcp_call.in_progress"]
        assert kinds(finish(scene, "sunny")) == ["response.mcp_call.completed", "conversation.item.done"]
    (again,) = scene.send("conversation.item.create", item=item)
    assert again["error"]["param"] == "item.approval_request_id"


@pytest.mark.parametrize(
    ("wanted", "name", "asks"),
    [
        ("never", "book", False),
        ("always", "book", True),
        (None, "book", True),
        ({"never": {"read_only": True}}, "get_weather", False),
        ({"never": {"read_only": True}}, "book", True),
        ({"always": {"tool_names": ["book"]}, "never": {"tool_names": ["get_weather", "book"]}}, "book", True),
        ({"always": {"tool_names": ["book"]}, "never": {"tool_names": ["get_weather"]}}, "get_weather", False),
    ],
)
def test_approval_is_asked_for_as_the_session_says(wanted: Any, name: str, *, asks: bool) -> None:  # noqa: ANN401 - JSON
    scene = opened(server(require_approval=wanted))
    kind = ask(scene, name)[0]["item"]["type"]
    assert kind == ("mcp_approval_request" if asks else "mcp_call")


def test_a_clients_own_function_of_that_name_is_its_own() -> None:
    scene = opened()
    own = {"type": "function", "name": "get_weather"}
    scene.send("session.update", session={"type": "realtime", "tools": [server(), own]})
    assert ask(scene)[0]["item"]["type"] == "function_call"


def test_a_server_that_is_left_out_is_gone() -> None:
    scene = opened()
    scene.send("session.update", session={"type": "realtime", "tools": []})
    assert [each.name for each in scene.told("update")[-1].config.tools] == []
    assert ask(scene)[0]["item"]["type"] == "function_call"


def test_servers_and_their_calls_are_the_fabrics_own_to_create() -> None:
    scene = opened()
    item = {"type": "mcp_call", "server_label": "town", "name": "book", "arguments": "{}"}
    (refused,) = scene.send("conversation.item.create", item=item)
    assert refused["type"] == "error"
