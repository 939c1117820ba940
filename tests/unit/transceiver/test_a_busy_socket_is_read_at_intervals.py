"""The watch over a media port's socket: every datagram at once while there are few, together while there are many."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable

import pytest

from transceiver.media_port.socket_watch import GATHER_ABOVE, WINDOW_S, SocketWatch

LIMIT_S = 10.0


class Scene:
    """Two sockets; what is read is counted, and fails where a test wants that."""

    def __init__(self) -> None:
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.receiver.bind(("127.0.0.1", 0))
        self.sender.connect(self.receiver.getsockname())
        self.received = 0
        self.wake_ups = 0
        self.at_once = 1000
        self.fault: Exception | None = None
        self.watch = SocketWatch(asyncio.get_running_loop(), self.receiver.fileno(), self._read)

    def _read(self, now: float) -> tuple[int, bool]:
        assert abs(now - time.monotonic()) < LIMIT_S
        self.wake_ups += 1
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        for count in range(self.at_once):
            try:
                self.receiver.recv(100)
            except BlockingIOError:
                self.received += count
                return count, False
        self.received += self.at_once
        return self.at_once, True

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                await asyncio.sleep(0.001)

    async def until_received(self, count: int) -> None:
        await self.until(lambda: self.received == count)

    async def make_busy(self) -> int:
        """Sends until the watch gathers; returns how many."""
        sent = 0
        async with asyncio.timeout(LIMIT_S):
            while not self.watch.is_gathering:
                for _ in range(100):
                    self.sender.send(b"x")
                sent += 100
                # However busy the machine is, all of them are read before there are too many to be held.
                await self.until_received(sent)
                await asyncio.sleep(0.001)
        return sent

    def close(self) -> None:
        self.watch.close()
        self.sender.close()
        self.receiver.close()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


async def test_a_quiet_socket_is_read_at_each_datagram(scene: Scene) -> None:
    for number in range(1, 21):
        scene.sender.send(b"x")
        await scene.until_received(number)
    assert not scene.watch.is_gathering
    assert scene.wake_ups == 20


async def test_a_busy_one_is_gathered_from_and_nothing_is_lost(scene: Scene) -> None:
    sent = await scene.make_busy()
    await scene.until_received(sent)
    assert sent > GATHER_ABOVE * WINDOW_S / 2


async def test_when_it_is_quiet_again_each_datagram_is_read_at_once(scene: Scene) -> None:
    sent = await scene.make_busy()
    await scene.until(lambda: not scene.watch.is_gathering)
    wake_ups = scene.wake_ups
    scene.sender.send(b"x")
    await scene.until_received(sent + 1)
    assert scene.wake_ups == wake_ups + 1


async def test_an_error_in_reading_does_not_end_it(scene: Scene) -> None:
    caught: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context["exception"]))
    sent = await scene.make_busy()
    scene.fault = RuntimeError("once")
    await scene.until(lambda: bool(caught))
    scene.sender.send(b"x")
    await scene.until_received(sent + 1)


async def test_what_is_left_over_does_not_wait_for_the_next_millisecond(scene: Scene) -> None:
    sent = await scene.make_busy()
    scene.at_once = 1
    for _ in range(50):
        scene.sender.send(b"x")
    # Timers cannot come between: what the loop runs at once is enough.
    async with asyncio.timeout(LIMIT_S):
        while scene.received == sent:
            await asyncio.sleep(0)
        turns = 0
        while scene.received < sent + 50:
            await asyncio.sleep(0)
            turns += 1
    assert turns <= 60
