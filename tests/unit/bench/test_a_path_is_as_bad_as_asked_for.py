"""The path that `offhook bench calls` puts between callers and target: loss, delay, order, and a NAT that forgets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientConnectionError, ClientSession, web

from bench.impairment.signalling import ImpairedTarget
from bench.impairment.udp_path import Address, Conditions, UdpPath


class Echo(asyncio.DatagramProtocol):
    """Sends everything back, and remembers who came."""

    def __init__(self) -> None:
        self.clients: list[Address] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if addr not in self.clients:
            self.clients.append(addr)
        self.transport.sendto(data, addr)


class Caller(asyncio.DatagramProtocol):
    """Remembers what comes, and when."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, float]] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.heard.append((int.from_bytes(data, "big"), time.monotonic()))

    def send(self, number: int, to: Address) -> None:
        self.transport.sendto(number.to_bytes(4, "big"), to)

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not enough():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def path_to_an_echo(conditions: Conditions) -> AsyncIterator[tuple[UdpPath, Echo, Caller]]:
    loop = asyncio.get_running_loop()
    server, echo = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    client, caller = await loop.create_datagram_endpoint(Caller, local_addr=("127.0.0.1", 0))
    path = await UdpPath(conditions, seed=7).listen()
    path.forward_to(server.get_extra_info("sockname"))
    try:
        yield path, echo, caller
    finally:
        await path.close()
        client.close()
        server.close()


async def test_so_much_is_lost_each_way() -> None:
    async with path_to_an_echo(Conditions(loss=0.2)) as (path, _, caller):
        for number in range(3000):
            caller.send(number, path.address)
            # The loop reads one datagram of a socket a turn: more at once would wait in the kernel, and be dropped.
            await asyncio.sleep(0)
        path.conditions.loss = 0.0
        caller.send(9999, path.address)
        await caller.until(lambda: any(number == 9999 for number, _ in caller.heard))
    # 0.8 squared: there and back. Three standard deviations are 0.026.
    assert len(caller.heard) / 3000 == pytest.approx(0.64, abs=0.03)


async def test_delay_holds_each_way_and_order_is_kept() -> None:
    async with path_to_an_echo(Conditions(one_way_s=0.08, jitter_s=0.02)) as (path, _, caller):
        sent = []
        for number in range(40):
            sent.append(time.monotonic())
            caller.send(number, path.address)
            await asyncio.sleep(0.002)
        await caller.until(lambda: len(caller.heard) == 40)
    assert [number for number, _ in caller.heard] == list(range(40))
    round_trips = [at - sent[number] for number, at in caller.heard]
    assert min(round_trips) >= 2 * (0.08 - 0.02) - 0.002
    assert max(round_trips) - min(round_trips) > 0.005


async def test_a_nat_that_forgets_shows_every_caller_anew_and_answers_still_come() -> None:
    async with path_to_an_echo(Conditions()) as (path, echo, caller):
        caller.send(1, path.address)
        await caller.until(lambda: len(caller.heard) == 1)
        assert await path.rebind() == 1
        caller.send(2, path.address)
        await caller.until(lambda: len(caller.heard) == 2)
    assert len(echo.clients) == 2


async def test_no_more_callers_than_were_announced() -> None:
    async with path_to_an_echo(Conditions()) as (path, echo, caller):
        path._max_clients = 0
        caller.send(1, path.address)
        await asyncio.sleep(0.05)
    assert not echo.clients


async def test_answers_lead_over_the_path_and_say_nothing_else_new() -> None:
    answer = (
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
        "a=candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host\r\n"
        "a=candidate:2 1 UDP 2130706430 2001:db8::1 3478 typ host generation 0\r\n"
        "a=candidate:3 1 tcp 2130706429 192.0.2.1 443 typ host tcptype passive\r\n"
        "a=end-of-candidates\r\n"
    )

    async def call(request: web.Request) -> web.Response:
        assert await request.read() == b"offer"
        assert request.headers["Authorization"] == "Bearer key"
        headers = {"Location": f"http://{request.host}/whip/1"}
        return web.Response(status=201, text=answer, content_type="application/sdp", headers=headers)

    application = web.Application()
    application.router.add_post("/whip", call)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/whip"
    target = await ImpairedTarget(url, callers=4).listen()
    try:
        async with ClientSession() as client:
            headers = {"Authorization": "Bearer key"}
            async with client.post(target.reached_by(url), data=b"offer", headers=headers) as got:
                assert got.status == 201
                assert got.headers["Location"] == target.reached_by(f"{url}/1")
                lines = (await got.text()).split("\r\n")
            # An origin without anybody: the connection ends, as it would without us.
            await runner.cleanup()
            with pytest.raises(ClientConnectionError):
                await client.post(target.reached_by(url), data=b"offer", headers=headers)
    finally:
        await target.close()
    first, second = lines[2].split(" "), lines[3].split(" ")
    assert (first[:4], first[6:]) == (["a=candidate:1", "1", "udp", "2130706431"], ["typ", "host"])
    assert first[4] == second[4] == "127.0.0.1"
    assert first[5] != second[5]
    assert lines[4:] == ["a=end-of-candidates", ""]
    assert lines[:2] == ["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111"]
