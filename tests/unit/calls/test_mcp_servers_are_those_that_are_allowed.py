"""Which MCP servers a session may name."""

import pytest

from transceiver.calls.mcp_servers import McpServers

ALLOWED = McpServers(("https://tools.example/mcp", "http://10.0.0.7:8000/"))


@pytest.mark.parametrize(
    "url", ["https://tools.example/mcp", "https://tools.example/mcp/town", "http://10.0.0.7:8000/anything"]
)
def test_allowed(url: str) -> None:
    assert ALLOWED.allows(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://tools.example/mcp",
        "https://tools.example/mcp2",
        "https://tools.example/",
        "https://tools.example/mcp/../admin",
        "https://tools.example.evil/mcp",
        "https://tools.example@evil.example/mcp",
        "https://evil.example/https://tools.example/mcp",
        "http://10.0.0.7:8001/",
        "http://169.254.169.254/latest/meta-data",
        "",
    ],
)
def test_refused(url: str) -> None:
    assert not ALLOWED.allows(url)
