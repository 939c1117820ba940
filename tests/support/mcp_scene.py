"""A real MCP server on loopback, and a model that calls what it has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from mcp.server import MCPServer
from offhook_worker import CallFunction, Capability, Model, Turn, TurnWorker
from offhook_worker.events import ToolResult
from offhook_worker.model import pcm
from offhook_worker.replies import Reply

TOWNSMAN = "townsman"


class Townsman(TurnWorker):
    """Calls the first function that the session has, and then writes what it returned."""

    models = (
        Model(
            TOWNSMAN,
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
