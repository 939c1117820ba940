"""A real MCP server on loopback, its tools listed, approved and called for a session over a WebSocket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from offhook_worker import ServeOptions

from tests.support.mcp_scene import TOWNSMAN, Townsman, mcp_server
from tests.support.socket_scene import SocketClient, connected
from tests.support.whole_transceiver import config, whole_transceiver
from tests.support.worker_scene import serving


@asynccontextmanager
async def client_of(directory: Path, allowed: tuple[str, ...]) -> AsyncIterator[SocketClient]:
    async with (
        serving(Townsman(), ServeOptions()) as (_, address),
        whole_transceiver(config(directory, workers=(address,), mcp_servers=allowed), directory) as transceiver,
        connected(transceiver, f"model={TOWNSMAN}") as client,
    ):
        await client.event("session.created")
        yield client


def town(url: str, **given: object) -> dict[str, Any]:
    return {"type": "mcp", "server_label": "town", "server_url": url, **given}


async def written(client: SocketClient) -> str:
    """The model's next answer in words."""
    await client.send("response.create")
    response = (await client.event("response.done"))["response"]
    text: str = response["output"][0]["content"][0]["text"]
    return text


async def ask(client: SocketClient) -> None:
    content = [{"type": "input_text", "text": "How is the weather?"}]
    await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    await client.send("response.create")


@pytest.mark.realtime("tools of MCP servers")
async def test_a_tool_is_listed_called_and_its_result_told(tmp_path: Path) -> None:
    async with mcp_server() as url, client_of(tmp_path, (url,)) as client:
        await client.configure(tools=[town(url, require_approval="never")], output_modalities=["text"])
        await client.event("mcp_list_tools.completed")
        (tool,) = (await client.event("conversation.item.done"))["item"]["tools"]
        assert (tool["name"], tool["description"]) == ("get_weather", "The weather in a city.")
        await ask(client)
        await client.event("response.mcp_call.completed")
        response = (await client.event("response.done"))["response"]
        assert response["status"] == "completed"
        assert response["output"][0]["output"] == "It is sunny in Paris."
        assert await written(client) == "I hear: It is sunny in Paris."


@pytest.mark.realtime("approval of MCP calls")
async def test_a_call_waits_for_the_clients_word(tmp_path: Path) -> None:
    async with mcp_server() as url, client_of(tmp_path, (url,)) as client:
        await client.configure(tools=[town(url)], output_modalities=["text"])
        await client.event("mcp_list_tools.completed")
        await ask(client)
        (request,) = (await client.event("response.done"))["response"]["output"]
        assert request["type"] == "mcp_approval_request"
        item = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
        await client.send("conversation.item.create", item=item, previous_item_id=request["id"])
        await client.event("response.mcp_call.completed")
        assert await written(client) == "I hear: It is sunny in Paris."


async def test_a_server_that_is_not_allowed_is_not_asked(tmp_path: Path) -> None:
    async with mcp_server() as url, client_of(tmp_path, (f"{url}/elsewhere", "http://127.0.0.1:1/mcp")) as client:
        await client.configure(tools=[town(url)])
        await client.event("mcp_list_tools.failed")


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/mcp"
    async with client_of(tmp_path, (url,)) as client:
        await client.configure(tools=[town(url)], output_modalities=["text"])
        await client.event("mcp_list_tools.failed")
        await ask(client)
        assert (await client.event("response.done"))["response"]["status"] == "completed"
