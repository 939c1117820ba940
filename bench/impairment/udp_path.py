"""A path of its own making between clients and one server: delay, jitter, loss, and a NAT that forgets its mappings.

client ──▶ public socket ──delay, loss──▶ one socket for each client ──▶ server
◀────────────────────delay, loss───  (so the server tells clients apart)
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

MAX_CLIENTS = 1024
"""More are not served unless asked for; a proxy is for measurements, not for the public."""
APART_S = 1e-6

Address = tuple[str, int]
Observer = Callable[[bytes], None]


@dataclass
class Conditions:
    """Of both directions of a path; may be changed while datagrams are under way.

    Attributes:
        one_way_s: delay of each direction.
        jitter_s: by so much more or less, evenly distributed. Order is kept: who is early waits for the one before.
        loss: share of the datagrams of each direction that is lost, each by itself.
    """

    one_way_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0


class _Client:
    """What the path knows of one client: the socket that stands for it, and when each direction is free."""

    def __init__(self, upstream: "asyncio.Task[asyncio.DatagramTransport]") -> None:
        self.upstream = upstream
        self.free_at = {"up": 0.0, "down": 0.0}


class _Upstream(asyncio.DatagramProtocol):
    """Towards the server, for one client."""

    def __init__(self, path: "UdpPath", client: Address) -> None:
        self._path = path
        self._client = client

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._path.later("down", self._path.deliver, data, self._client)


class UdpPath(asyncio.DatagramProtocol):
    """Listens on 127.0.0.1 from `listen` until `close`.

    Args:
        conditions: of the path; several paths may share them.
        max_clients: datagrams of others are dropped.
        seed: of what is lost and how much is early or late.

    Attributes:
        conditions: the same object.
        observer: called with each datagram as a client gets it.
    """

    def __init__(self, conditions: Conditions | None = None, *, max_clients: int = MAX_CLIENTS, seed: int = 0) -> None:
        self.conditions = conditions or Conditions()
        self.observer: Observer | None = None
        self._max_clients = max_clients
        self._random = random.Random(seed)
        self._server: Address | None = None
        self._public: asyncio.DatagramTransport | None = None
        self._clients: dict[Address, _Client] = {}

    async def listen(self) -> Self:
        """Opens the public socket."""
        loop = asyncio.get_running_loop()
        self._public, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    @property
    def address(self) -> Address:
        """Where clients send to."""
        assert self._public is not None
        host, port = self._public.get_extra_info("sockname")
        return host, port

    def forward_to(self, server: Address) -> None:
        """Names the server; before that, everything is dropped."""
        self._server = server

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """From a client."""
        if self._server is None or (addr not in self._clients and len(self._clients) >= self._max_clients):
            return
        if addr not in self._clients:
            self._clients[addr] = _Client(self._connect(addr, self._server))
        self.later("up", self._send_upstream, data, addr)

    def _connect(self, client: Address, server: Address) -> "asyncio.Task[asyncio.DatagramTransport]":
        async def connect() -> asyncio.DatagramTransport:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(lambda: _Upstream(self, client), remote_addr=server)
            return transport

        return asyncio.ensure_future(connect())

    def _send_upstream(self, data: bytes, client: Address) -> None:
        upstream = self._clients[client].upstream
        if upstream.done():
            upstream.result().sendto(data)
        else:
            # Whatever comes while the socket is being made waits for it, in order.
            upstream.add_done_callback(lambda done: done.result().sendto(data))

    def deliver(self, data: bytes, client: Address) -> None:
        """To a client, now."""
        if self._public is not None and not self._public.is_closing():
            self._public.sendto(data, client)
            if self.observer is not None:
                self.observer(data)

    def later(self, direction: str, action: Callable[[bytes, Address], None], data: bytes, client: Address) -> None:
        """Calls `action` after the delay, if the datagram is not lost."""
        conditions = self.conditions
        if conditions.loss and self._random.random() < conditions.loss:
            return
        loop = asyncio.get_running_loop()
        delay_s = conditions.one_way_s
        if conditions.jitter_s:
            delay_s = max(0.0, delay_s + self._random.uniform(-conditions.jitter_s, conditions.jitter_s))
        free_at = self._clients[client].free_at
        # The loop keeps no order among what is due at the same time.
        due = free_at[direction] = max(free_at[direction] + APART_S, loop.time() + delay_s)
        loop.call_at(due, action, data, client)

    async def rebind(self) -> int:
        """Every client appears from a new address, as behind a NAT that was restarted. Returns how many there are."""
        for address, client in self._clients.items():
            assert self._server is not None
            former, client.upstream = client.upstream, self._connect(address, self._server)
            (await former).close()
        return len(self._clients)

    async def close(self) -> None:
        """Closes all sockets."""
        if self._public is not None:
            self._public.close()
        for client in self._clients.values():
            (await client.upstream).close()
