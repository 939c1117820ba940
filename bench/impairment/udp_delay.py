"""Delays datagrams between clients and one server, each direction by the same time. Order is kept.

client ──▶ public socket ──delay──▶ one socket for each client ──▶ server
◀──────────────────delay───  (so the server tells clients apart)
"""

import asyncio
from collections.abc import Callable
from typing import Self

MAX_CLIENTS = 1024
"""More are not served; a proxy is for measurements, not for the public."""

Address = tuple[str, int]
Observer = Callable[[bytes], None]


class _Upstream(asyncio.DatagramProtocol):
    """Towards the server, for one client."""

    def __init__(self, proxy: "UdpDelay", client: Address) -> None:
        self._proxy = proxy
        self._client = client

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._proxy.later(self._proxy.deliver, data, self._client)


class UdpDelay(asyncio.DatagramProtocol):
    """Listens on 127.0.0.1 from `listen` until `close`.

    Attributes:
        one_way_s: the delay of each direction; may be changed at any time.
        observer: called with each datagram as a client gets it.
    """

    def __init__(self) -> None:
        self.one_way_s = 0.0
        self.observer: Observer | None = None
        self._server: Address | None = None
        self._public: asyncio.DatagramTransport | None = None
        self._upstreams: dict[Address, asyncio.Task[asyncio.DatagramTransport]] = {}

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
        if self._server is None or (addr not in self._upstreams and len(self._upstreams) >= MAX_CLIENTS):
            return
        if addr not in self._upstreams:
            self._upstreams[addr] = asyncio.ensure_future(self._connect(addr, self._server))
        self.later(self._send_upstream, data, addr)

    async def _connect(self, client: Address, server: Address) -> asyncio.DatagramTransport:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Upstream(self, client), remote_addr=server)
        return transport

    def _send_upstream(self, data: bytes, client: Address) -> None:
        # Whatever comes while the socket is being made waits for it, in order.
        self._upstreams[client].add_done_callback(lambda done: done.result().sendto(data))

    def deliver(self, data: bytes, client: Address) -> None:
        """To a client, now."""
        if self._public is not None and not self._public.is_closing():
            self._public.sendto(data, client)
            if self.observer is not None:
                self.observer(data)

    def later(self, action: Callable[[bytes, Address], None], data: bytes, client: Address) -> None:
        """Calls `action` after the delay."""
        asyncio.get_running_loop().call_later(self.one_way_s, action, data, client)

    async def close(self) -> None:
        """Closes all sockets."""
        if self._public is not None:
            self._public.close()
        for upstream in self._upstreams.values():
            (await upstream).close()
