"""A native thread that dies is told to Kubernetes, the others serve on, and what it has counted stays counted."""

import asyncio
import os
import socket
from pathlib import Path

import aiohttp
import pytest

from offhook.service.config import load_config
from relay.config import RelayConfig
from relay.service import serve
from tests.support.relay_process import RelayFiles
from tests.support.udp_peer import until

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

SENDERS = 64


def epolls() -> set[int]:
    """Descriptors of this process on which something waits for events."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if str(entry.readlink()) == "anon_inode:[eventpoll]":
                found.add(int(entry.name))
        except OSError:  # the descriptor of the listing itself
            continue
    return found


def break_epoll(descriptor: int) -> None:
    """What waits on it gets an error from now on, as from a broken kernel."""
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), descriptor)


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def datagrams_received(files: RelayFiles) -> int:
    _, text = await get(f"{files.admin}/metrics")
    name = "fabric_relay_client_datagrams_received_total"
    return next(int(float(line.split()[1])) for line in text.splitlines() if line.startswith(f"{name} "))


async def send_to_every_thread(files: RelayFiles) -> None:
    """The kernel spreads senders over the threads' sockets; of so many each thread gets some."""
    for _ in range(SENDERS):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"\xff", tuple(files.media))
    async with asyncio.timeout(10):
        while await datagrams_received(files) < SENDERS:
            pass


async def test_liveness_fails_and_the_other_thread_serves_on(tmp_path: Path) -> None:
    files = RelayFiles(tmp_path, "127.0.0.1:1", engine="native", threads=2, sync_deadline_s=0)
    stop, before = asyncio.Event(), epolls()
    relay = asyncio.create_task(serve(load_config(files.config_file, RelayConfig), stop, files.ready_file))
    try:
        await until(lambda: files.ready is not None, "the relay is ready")
        assert (await get(f"{files.admin}/livez"))[0] == 200
        await send_to_every_thread(files)
        break_epoll(max(thread_epolls(epolls() - before)))
        # Its next wait is the last: a scrape wakes it.
        await get(f"{files.admin}/metrics")
        async with asyncio.timeout(10):
            while (answer := await get(f"{files.admin}/livez"))[0] == 200:
                await get(f"{files.admin}/metrics")
        assert answer == (503, "1 of 2 relay threads have died\n")
        assert (await get(f"{files.admin}/readyz"))[0] == 503
        assert await datagrams_received(files) == SENDERS
    finally:
        stop.set()
        await relay


def thread_epolls(descriptors: set[int]) -> set[int]:
    """Those of relay threads: they watch an eventfd and sockets by small numbers of their own."""
    found = set()
    for descriptor in descriptors:
        watched = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
        numbers = {int(line.split()[5], 16) for line in watched if line.startswith("tfd:")}
        if numbers == {0, 1, 2}:
            found.add(descriptor)
    return found
