"""Connections to MCP servers (Model Context Protocol, streamable HTTP), for the tools that sessions name.

A client names the server, and the transceiver connects to it on its word. So an operator lists which may be named; none
is by default. Each request has a connection of its own: nothing of a session's is kept here.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from transceiver.realtime.schema.items import McpError, McpListedTool
from transceiver.realtime.schema.session import McpTool

if TYPE_CHECKING:
    from mcp import Client

WITHIN_S: Final = 20.0
"""How long a server may take to answer."""
MAX_OUTPUT_CHARACTERS: Final = 256 * 1024
"""Of what a tool returns; the rest is cut off."""


class McpRefused(Exception):
    """A server that cannot be asked, or has refused.

    Attributes:
        error: for the client.
    """

    def __init__(self, kind: Literal["protocol_error", "http_error", "tool_execution_error"], message: str) -> None:
        super().__init__(message)
        # OpenAI's errors of these two kinds have a code; that of JSON-RPC's internal error stands for none.
        code = None if kind == "tool_execution_error" else 502 if kind == "http_error" else -32603
        self.error = McpError(type=kind, message=message, code=code)


class McpServers:
    """The servers that sessions may name.

    Args:
        allowed: URLs; a server is allowed whose URL has the same origin as one of them and a path below it.
    """

    def __init__(self, allowed: Collection[str], *, within_s: float = WITHIN_S) -> None:
        self._allowed = tuple(allowed)
        self._within_s = within_s

    def allows(self, url: str) -> bool:
        """Whether sessions may name it."""
        return any(_is_below(url, each) for each in self._allowed)

    async def list_tools(self, server: McpTool) -> list[McpListedTool]:
        """What the server has.

        Raises:
            McpRefused: it cannot be asked.
        """
        async with self._connected(server) as client:
            listed = await client.list_tools()
        return [
            McpListedTool(
                name=tool.name,
                description=tool.description or "",
                input_schema=tool.input_schema,
                annotations=tool.annotations.model_dump(by_alias=True, exclude_none=True) if tool.annotations else {},
            )
            for tool in listed.tools
        ]

    async def call_tool(self, server: McpTool, name: str, arguments: str) -> str:
        """Calls a tool; its output as text.

        Raises:
            McpRefused: the server cannot be asked, or the tool failed.
        """
        try:
            given: Any = json.loads(arguments)
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            raise McpRefused("tool_execution_error", "The arguments are not a JSON object.")
        async with self._connected(server) as client:
            result = await client.call_tool(name, given)
        output = "\n".join(part.text for part in result.content if part.type == "text")[:MAX_OUTPUT_CHARACTERS]
        if result.is_error:
            raise McpRefused("tool_execution_error", output or "The tool failed.")
        return output

    @asynccontextmanager
    async def _connected(self, server: McpTool) -> AsyncIterator["Client"]:
        if not self.allows(server.server_url):
            raise McpRefused("http_error", "This installation does not allow that MCP server (mcp_servers).")
        try:
            # Not above: half a second and 30 MB, which most transceivers have no use for.
            from httpx2 import HTTPError  # noqa: PLC0415 - see the line above
            from mcp import Client, MCPError  # noqa: PLC0415 - see above
            from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415 - see above
            from mcp.shared._httpx_utils import create_mcp_http_client  # noqa: PLC0415 - see above
        except ImportError:
            raise McpRefused("http_error", "This installation has no MCP client: install offhook[mcp].") from None
        headers = dict(server.headers or {})
        if server.authorization is not None:
            headers["Authorization"] = f"Bearer {server.authorization}"
        refused: McpRefused | None = None
        try:
            async with (
                create_mcp_http_client(headers) as http,
                Client(
                    streamable_http_client(server.server_url, http_client=http), read_timeout_seconds=self._within_s
                ) as client,
            ):
                yield client
        except (McpRefused, MCPError, HTTPError, OSError, RuntimeError, ValueError, ExceptionGroup) as error:
            refused = _refusal(error)
        if refused is not None:
            # Not where it was caught: its causes are the library's inner life.
            raise refused


NO_SERVERS: Final = McpServers(())
"""None may be named."""


def _refusal(error: Exception) -> McpRefused:
    """The one reason of whatever the client's task groups raised."""
    from mcp import MCPError  # noqa: PLC0415 - as above

    first = next(_leaves(error))
    if isinstance(first, McpRefused):
        return first
    if isinstance(first, MCPError):
        return McpRefused("protocol_error", f"The MCP server says: {first}")
    return McpRefused("http_error", f"The MCP server cannot be reached: {type(first).__name__}.")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _is_below(url: str, allowed: str) -> bool:
    given, base = urlsplit(url), urlsplit(allowed)
    same_origin = (given.scheme, given.netloc) == (base.scheme, base.netloc)
    path = base.path.rstrip("/")
    # Two dots would lead out of the path again.
    return same_origin and ".." not in given.path and (given.path == path or given.path.startswith(f"{path}/"))
