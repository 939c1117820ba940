"""The official JavaScript clients, unmodified, talk with the agent: typed, spoken, a function, an interruption."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from tests.sdk.stage import CLIENTS, Stage, check_conversation, missing_browser, missing_node_part

HISTORY = [
    *("message:user", "message:assistant", "message:user", "message:assistant"),
    *("message:user", "function_call:get_weather", "message:assistant"),
    *("message:user", "message:assistant", "message:user", "message:assistant"),
]
"""What the Agents SDK makes of the events: it follows `previous_item_id`, and retrieves what was transcribed or cut."""

Require = Callable[[str | None], None]
Show = Callable[[str], None]


async def test_openai_node_over_a_websocket(stage: Stage, require: Require, show: Show) -> None:
    require(missing_node_part())
    report = await stage.perform(["node", CLIENTS / "openai_node.mjs"], f"{stage.front.https}/v1")
    show(f"openai-node: {check_conversation(report)}")


async def test_the_agents_sdk_over_a_websocket(stage: Stage, require: Require, show: Show) -> None:
    require(missing_node_part())
    report = await stage.perform(["node", CLIENTS / "agents_node.mjs"], f"{stage.websocket}/v1")
    show(f"agents-realtime, WebSocket: {check_conversation(report)}")
    assert report["interruption"]["told"] >= 1
    assert report["history"] == HISTORY


async def test_the_agents_sdk_in_chromium_over_webrtc(
    in_chromium: "Future[dict[str, Any]] | None", require: Require, show: Show
) -> None:
    require(missing_node_part() or missing_browser())
    assert in_chromium is not None
    report = await asyncio.wrap_future(in_chromium)
    show(f"agents-realtime, Chromium: {check_conversation(report)}")
    assert report["callId"].startswith("rtc_")
    kinds = [event["type"] for event in report["raw"]]
    assert "output_audio_buffer.cleared" in kinds
    assert "response.output_audio.delta" not in kinds, "audio has a track of its own"
