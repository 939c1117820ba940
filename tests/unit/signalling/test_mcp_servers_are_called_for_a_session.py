"""A real MCP server on loopback, its tools listed, approved and called for a session over a WebSocket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp.server import MCPServer
from offhook_worker import CallFunction, Capability, Model, ServeOptions, Turn, TurnWorker
from offhook_worker.events import ToolResult
from offhook_worker.model import pcm
from offhook_worker.replies import Reply

from tests.support.socket_scene import SocketClient, connected
from tests.support.whole_transceiver import config, whole_transceiver
from tests.support.worker_scene import serving

NAME = "townsman"


class Townsman(TurnWorker):
    """Calls the first function that the session has, and then writes what it returned."""

    models = (
        Model(
            NAME,
            (pcm(16_000),),
            (pcm(16_000),),
            frozenset({Capability.TEXT_INPUT, Capability.TEXT_OUTPUT, Capability.FUNCTION_CALLS}),
        ),
    )

    async def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        last = turn.conversation[-1]
        if isinstance(last, ToolResult):
            yield f"I hear: {last.output}"
        elif turn.config.tools:
            yield CallFunction(turn.config.tools[0].name, '{"city": "Paris"}')
        else:
            yield "I can do nothing."


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It is sunny in {city}."


@asynccontextmanager
async def mcp_server() -> AsyncIterator[str]:
    """Tools of a town; the URL of its endpoint."""
    server: Any = MCPServer("town")

    server.add_tool(get_weather)
    serving_mcp = uvicorn.Server(
        uvicorn.Config(server.streamable_http_app(), host="127.0.0.1", port=0, log_level="error", ws="none")
    )
    task = asyncio.create_task(serving_mcp.serve())
    while not serving_mcp.started:
        await asyncio.sleep(0.01)
    port = serving_mcp.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        serving_mcp.should_exit = True
        await task


@asynccontextmanager
async def client_of(directory: Path, allowed: tuple[str, ...]) -> AsyncIterator[SocketClient]:
    async with (
        serving(Townsman(), ServeOptions()) as (_, address),
        whole_transceiver(config(directory, workers=(address,), mcp_servers=allowed), directory) as transceiver,
        connected(transceiver, f"model={NAME}") as client,
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
