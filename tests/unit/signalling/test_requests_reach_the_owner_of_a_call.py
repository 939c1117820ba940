"""A request for a call of another transceiver goes to that one, wherever it is now, and once only."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from offhook.service.background import Background
from tests.support.http_scene import CLUSTER_ID, KEY, KEYS, HttpTransceiver, ask, ask_in_bytes, route_server
from transceiver.peers import PeerDirectory
from wire.ufrag import RouteToken


def hangup(transceiver_id: int, *, cluster_id: int = CLUSTER_ID) -> str:
    """The path that hangs up a call of a transceiver."""
    return f"/v1/realtime/calls/{KEYS.mint_call_id(RouteToken(cluster_id, transceiver_id, 1))}/hangup"


class Neighbours:
    """Transceiver 1, which is asked, and room for others."""

    def __init__(self, stack: AsyncExitStack, directory: Path) -> None:
        self.socket = f"unix:{directory}/route.sock"
        self.peers = PeerDirectory([self.socket], refresh_interval_s=0.0)
        self._stack = stack
        self._directory = directory

    async def open(
        self, transceiver_id: int, *, timeout_s: float = 10.0, stack: AsyncExitStack | None = None
    ) -> HttpTransceiver:
        """A transceiver's API, until the end or that of `stack`; nobody knows of it before its route server runs."""
        made = HttpTransceiver(transceiver_id, self.peers, self._directory, timeout_s=timeout_s)
        return await made.open(stack or self._stack)


@pytest.fixture
async def neighbours(tmp_path: Path) -> AsyncIterator[Neighbours]:
    """See Neighbours; everything is closed at the end."""
    async with AsyncExitStack() as stack:
        made = Neighbours(stack, tmp_path)
        Background(stack).start(made.peers.follow())
        yield made


async def test_the_owner_is_asked_and_its_answer_comes_back(neighbours: Neighbours) -> None:
    asked, owner = await neighbours.open(1), await neighbours.open(2)
    async with route_server(2, owner.url, neighbours.socket):
        status, error = await ask("POST", asked.url + hangup(2) + "?a=%2F..%2F&b")
        assert (status, error["code"]) == (404, "call_id_not_found")
    assert len(owner.requests) == 1
    assert owner.requests[0][1].startswith("/v1/realtime/calls/rtc_")


async def test_the_owner_checks_the_key_too(neighbours: Neighbours) -> None:
    _, owner = await neighbours.open(1), await neighbours.open(2)
    headers = {"Authorization": "Bearer wrong", "X-Offhook-Forwarded": "1"}
    assert (await ask("POST", owner.url + hangup(2), headers=headers))[0] == 401


async def test_a_peer_passes_nothing_further(neighbours: Neighbours) -> None:
    asked, owner = await neighbours.open(1), await neighbours.open(2)
    async with route_server(3, owner.url, neighbours.socket):
        # Transceiver 2 is reached under the number 3: it does not own the call, and must not ask on.
        status, error = await ask("POST", asked.url + hangup(3))
        assert (status, error["code"]) == (404, "call_id_not_found")
    assert len(owner.requests) == 1


async def test_nobody_is_asked_for_a_call_of_nobody(neighbours: Neighbours) -> None:
    asked, owner = await neighbours.open(1), await neighbours.open(2)
    async with route_server(2, owner.url, neighbours.socket):
        for path in (hangup(9), hangup(2, cluster_id=CLUSTER_ID + 1)):
            status, error = await ask("POST", asked.url + path)
            assert (status, error["code"]) == (404, "call_id_not_found")
    assert owner.requests == []


async def test_an_owner_that_is_gone_is_a_502_and_found_again_where_it_restarts(neighbours: Neighbours) -> None:
    asked = await neighbours.open(1)
    async with AsyncExitStack() as first_life:
        owner = await neighbours.open(2, stack=first_life)
        async with route_server(2, owner.url, neighbours.socket):
            assert (await ask("POST", asked.url + hangup(2)))[0] == 404
    status, error = await ask("POST", asked.url + hangup(2))
    assert (status, error["code"]) == (502, "owner_unreachable")
    again = await neighbours.open(2)
    async with route_server(2, again.url, neighbours.socket):
        assert (await ask("POST", asked.url + hangup(2)))[0] == 404
    assert len(again.requests) == 1


async def test_an_owner_that_does_not_answer_in_time_is_a_502(neighbours: Neighbours) -> None:
    asked = await neighbours.open(1, timeout_s=0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with route_server(2, url, neighbours.socket):
            status, error = await ask("POST", asked.url + hangup(2))
            assert (status, error["code"]) == (502, "owner_unreachable")


@pytest.mark.parametrize("name", [b"If-Match", b"Accept", b"X-OpenAI-Agents-SDK", b"Content-Type"])
async def test_a_header_of_odd_bytes_is_no_fault_of_ours(neighbours: Neighbours, name: bytes) -> None:
    asked, owner = await neighbours.open(1), await neighbours.open(2)
    async with route_server(2, owner.url, neighbours.socket):
        status = await ask_in_bytes(
            asked.url, f"POST {hangup(2)}", f"Authorization: Bearer {KEY}".encode(), name + b": \xff"
        )
    assert status == 404


async def test_a_key_of_odd_bytes_is_a_wrong_key(neighbours: Neighbours) -> None:
    asked = await neighbours.open(1)
    assert await ask_in_bytes(asked.url, f"POST {hangup(1)}", b"Authorization: Bearer \xff") == 401
