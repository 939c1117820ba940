"""A UDP socket of a test: sends, and keeps what it receives in order."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from wire.address import Address

DEADLINE_S = 20.0
"""How long a test waits for what must happen; far above what it takes, so that a busy machine fails nothing."""


async def until(condition: Callable[[], bool], what: str) -> None:
    """Returns when the condition holds.

    Raises:
        AssertionError: not in time; the message says what was waited for.
    """
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"not within {DEADLINE_S} s: {what}") from None


class Received(NamedTuple):
    """One datagram and where it came from."""

    datagram: bytes
    source: Address


class UdpPeer(asyncio.DatagramProtocol):
    """Make it with `udp_peer`."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._received: asyncio.Queue[Received] = asyncio.Queue()
        host, port = opened.getsockname()[:2]
        self.address = Address(host, port)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received.put_nowait(Received(data, Address(addr[0], addr[1])))

    def send(self, datagram: bytes, destination: Address) -> None:
        # Past the transport, which would quietly leave out an empty datagram.
        self._socket.sendto(datagram, destination)

    async def receive(self) -> Received:
        """The next datagram."""
        async with asyncio.timeout(DEADLINE_S):
            return await self._received.get()

    def take(self) -> Iterator[Received]:
        """What has been received and not been taken yet."""
        while not self._received.empty():
            yield self._received.get_nowait()

    @property
    def is_idle(self) -> bool:
        """Whether everything received so far has been taken."""
        return self._received.empty()


@asynccontextmanager
async def udp_peer(address: Address) -> AsyncIterator[UdpPeer]:
    """A socket bound to `address`."""
    opened = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.bind(address)
    transport, peer = await asyncio.get_running_loop().create_datagram_endpoint(lambda: UdpPeer(opened), sock=opened)
    try:
        yield peer
    finally:
        transport.close()
