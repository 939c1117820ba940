"""The official JavaScript clients, unmodified, talk with the agent: typed, spoken, a function, an interruption."""

from collections.abc import Callable

from tests.sdk.stage import CLIENTS, Stage, check_conversation, missing_node_part

HISTORY = [
    *("message:user", "message:assistant", "message:user", "message:assistant"),
    *("message:user", "function_call:get_weather", "message:assistant"),
    *("message:user", "message:assistant", "message:user", "message:assistant"),
]
"""What the Agents SDK makes of the events: it follows `previous_item_id`, and retrieves what was transcribed or cut."""


async def test_openai_node_over_a_websocket(
    stage: Stage, require: Callable[[str | None], None], show: Callable[[str], None]
) -> None:
    require(missing_node_part())
    report = await stage.perform(["node", CLIENTS / "openai_node.mjs"], f"{stage.front.https}/v1")
    show(f"openai-node: {check_conversation(report)}")


async def test_the_agents_sdk_over_a_websocket(
    stage: Stage, require: Callable[[str | None], None], show: Callable[[str], None]
) -> None:
    require(missing_node_part())
    report = await stage.perform(["node", CLIENTS / "agents_node.mjs"], f"{stage.websocket}/v1")
    show(f"agents-realtime: {check_conversation(report)}")
    assert report["interrupted"] >= 1
    assert report["history"] == HISTORY
