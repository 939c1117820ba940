"""A proxy in the environment is for the outside: transceivers ask each other without it."""

import asyncio
import socket
from contextlib import AsyncExitStack

import pytest

from offhook.service.background import Background
from tests.support.http_scene import route_server
from transceiver.peers import PeerDirectory


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "grpc_proxy"])
async def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{nobody.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        with socket.create_server(("127.0.0.1", 0)) as free:
            target = f"127.0.0.1:{free.getsockname()[1]}"
        async with route_server(2, "http://10.0.0.2:8081", target), AsyncExitStack() as stack:
            peers = PeerDirectory([target], refresh_interval_s=0.0)
            Background(stack).start(peers.follow())
            async with asyncio.timeout(20):
                while (url := await peers.signalling_url(2)) is None:
                    await asyncio.sleep(0.01)
            assert url == "http://10.0.0.2:8081"
