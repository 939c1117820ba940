"""Configured targets in, gRPC targets out."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from offhook.service.discovery import parse_target, watch_targets
from tests.support.udp_peer import DEADLINE_S

NAME = "workers.test"


class Dns:
    """Answers for NAME; every other look-up is the system's."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.asked = 0
        self._system = cast("Callable[..., list[object]]", socket.getaddrinfo)

    def getaddrinfo(self, host: object, port: object, *arguments: object, **more: object) -> list[object]:
        if host != NAME:
            return self._system(host, port, *arguments, **more)
        self.asked += 1
        if not self.hosts:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [self._entry(address, port) for address in self.hosts]

    def _entry(self, address: str, port: object) -> tuple[object, ...]:
        if ":" in address:
            return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
        return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))

    async def asked_again(self) -> None:
        """Returns after two more look-ups: what was changed before has been seen and dealt with."""
        seen = self.asked
        async with asyncio.timeout(DEADLINE_S):
            while self.asked < seen + 2:
                await asyncio.sleep(0.001)


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Dns:
    answers = Dns()
    monkeypatch.setattr(socket, "getaddrinfo", answers.getaddrinfo)
    return answers


async def following(found: AsyncIterator[frozenset[str]]) -> frozenset[str]:
    async with asyncio.timeout(DEADLINE_S):
        return await anext(found)


async def test_fixed_targets_come_at_once() -> None:
    targets = ["127.0.0.1:7000", "[::1]:7000", "unix:/run/a.sock", "127.0.0.1:7000"]
    assert await following(watch_targets(targets)) == {"127.0.0.1:7000", "[::1]:7000", "unix:/run/a.sock"}


async def test_no_targets_is_an_empty_set() -> None:
    assert await following(watch_targets([])) == frozenset()


async def test_a_name_is_every_address_it_has(dns: Dns) -> None:
    dns.hosts = ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    found = watch_targets([f"dns:{NAME}:7000", "127.0.0.1:1"])
    assert await following(found) == {"192.0.2.1:7000", "192.0.2.2:7000", "[2001:db8::1]:7000", "127.0.0.1:1"}


async def test_changes_are_yielded_and_failures_are_not(dns: Dns) -> None:
    found = watch_targets([f"dns:{NAME}:7000"], interval_s=0.001)
    assert await following(found) == frozenset()
    waiting = asyncio.create_task(following(found))
    dns.hosts = ["192.0.2.1"]
    assert await waiting == {"192.0.2.1:7000"}
    waiting = asyncio.create_task(following(found))
    dns.hosts = []
    await dns.asked_again()
    assert not waiting.done()
    dns.hosts = ["192.0.2.1"]
    await dns.asked_again()
    assert not waiting.done()
    dns.hosts = ["192.0.2.2", "192.0.2.1"]
    assert await waiting == {"192.0.2.1:7000", "192.0.2.2:7000"}


async def test_a_name_that_keeps_failing_is_logged_once(dns: Dns, capsys: pytest.CaptureFixture[str]) -> None:
    found = watch_targets([f"dns:{NAME}:7000"], interval_s=0.001)
    await following(found)
    waiting = asyncio.create_task(following(found))
    await dns.asked_again()
    waiting.cancel()
    assert capsys.readouterr().out.count("discovery fails") == 1


async def test_a_name_that_dns_cannot_carry_does_not_resolve() -> None:
    assert await following(watch_targets(["dns:" + "x" * 70 + ":7000"])) == frozenset()


@pytest.mark.parametrize(
    "target",
    [
        "",
        "worker",
        "worker:7000",
        "127.0.0.1",
        "127.0.0.1:70000",
        "::1:7000",
        "unix:relative.sock",
        "unix:",
        "dns:worker",
        "dns::7000",
        "dns:worker:0",
        "dns:worker:x",
        "dns:worker:٣",
        "kubernetes:relays",
        "kubernetes:Relays:grpc",
        "kubernetes:a/b/c:grpc",
        "kubernetes:relays:70000",
        "loadbalancer:relays:media",
    ],
)
async def test_a_target_written_wrongly_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="target"):
        parse_target(target)
    with pytest.raises(ValueError, match="target"):
        await following(watch_targets([target]))
