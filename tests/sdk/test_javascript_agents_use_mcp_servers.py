"""The Agents SDK for JavaScript, unmodified, with a real MCP server whose tools the fabric calls."""

from collections.abc import Callable
from pathlib import Path

import pytest
from offhook_worker import ServeOptions

from tests.sdk.stage import CLIENTS, missing_node_part, run_client
from tests.support.http_scene import KEY
from tests.support.mcp_scene import TOWNSMAN, Townsman, mcp_server
from tests.support.openai_events import check_server_event
from tests.support.whole_transceiver import config, whole_transceiver
from tests.support.worker_scene import serving


@pytest.mark.realtime("tools of MCP servers", "approval of MCP calls")
@pytest.mark.parametrize("approval", ["never", "always"])
async def test_tools_are_listed_approved_and_called(
    tmp_path: Path, approval: str, require: Callable[[str | None], None]
) -> None:
    require(missing_node_part())
    async with (
        mcp_server() as mcp,
        serving(Townsman(), ServeOptions()) as (_, address),
        whole_transceiver(config(tmp_path, workers=(address,), mcp_servers=(mcp,)), tmp_path) as transceiver,
    ):
        url = f"{transceiver.http.replace('http', 'ws', 1)}/v1"
        orders = {"url": url, "key": KEY, "model": TOWNSMAN, "mcp": mcp, "approval": approval}
        report = await run_client(("node", CLIENTS / "agents_mcp.mjs"), orders)
    assert not report["errors"], report["errors"]
    assert not report["unknown"], report["unknown"]
    for event in report["raw"]:
        check_server_event(event)
    assert report["tools"] == ["get_weather"]
    assert len(report["approvals"]) == (1 if approval == "always" else 0)
    assert report["completed"] == ["It is sunny in Paris."]
    assert report["written"] == "I hear: It is sunny in Paris."
