"""The MCP requests of one session, each in a task."""

import asyncio
from typing import Final, Protocol

from transceiver.calls.mcp_servers import McpRefused, McpServers
from transceiver.realtime.effects import CallMcpTool, ListMcpTools
from transceiver.realtime.schema.items import McpError, McpListedTool

MAX_AT_ONCE: Final = 32
"""Requests of one session; further ones are refused at once. Its semantics ask for fewer."""


class McpListener(Protocol):
    """Hears what came of them."""

    def mcp_listed(self, item_id: str, tools: list[McpListedTool] | None) -> None:
        """A server's tools; None: it could not be asked."""

    def mcp_called(self, item_id: str, output: str | None, error: McpError | None) -> None:
        """A tool's output, or why there is none."""


class McpSide:
    """See the module. `close` abandons what is under way."""

    def __init__(self, servers: McpServers, listener: McpListener) -> None:
        self._servers = servers
        self._listener = listener
        self._requests: set[asyncio.Task[None]] = set()

    def request(self, wanted: ListMcpTools | CallMcpTool) -> None:
        """Asks a server what it has, or calls a tool."""
        work = self._list(wanted) if isinstance(wanted, ListMcpTools) else self._call(wanted)
        task = asyncio.create_task(work)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    def close(self) -> None:
        """The session is over."""
        for request in self._requests:
            request.cancel()

    async def _list(self, wanted: ListMcpTools) -> None:
        tools: list[McpListedTool] | None = None
        try:
            self._check_room()
            tools = await self._servers.list_tools(wanted.server)
        except McpRefused:
            pass
        self._listener.mcp_listed(wanted.item_id, tools)

    async def _call(self, wanted: CallMcpTool) -> None:
        output, error = None, None
        try:
            self._check_room()
            output = await self._servers.call_tool(wanted.server, wanted.name, wanted.arguments)
        except McpRefused as refused:
            error = refused.error
        self._listener.mcp_called(wanted.item_id, output, error)

    def _check_room(self) -> None:
        if len(self._requests) > MAX_AT_ONCE:
            raise McpRefused("tool_execution_error", "Too many requests are under way.")
