"""The `python` engine: `Forwarding` on asyncio sockets. The reference, and the fallback without a native build."""

import asyncio
import contextlib
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import cast

from relay.engine.admission import Admission
from relay.engine.dscp import CONTROL_BYTES, dscp_of, marked, report_dscp
from relay.engine.flow_table import FlowTable
from relay.engine.forwarding import MAX_DATAGRAM_BYTES, Downstream, Forwarding, Upstream
from relay.engine.interface import Budgets, EngineCounters, EngineSettings, FlowKey, Listener
from relay.engine.source import SourcePrefix
from wire.address import Address
from wire.drop import DropReason
from wire.spp import HEADER_BYTES
from wire.ufrag import KeyRing

SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
EXPIRY_INTERVAL_S = 1.0
BATCH = 64

Received = Callable[[bytes, Address, int], None]
"""Takes a datagram, where it came from, and its DSCP."""

# One more than may pass on either side, so that a datagram cut short is seen as oversized. The kernel's copy goes into
# a buffer of this size for each datagram: small is quick.
RECEIVE_BYTES = HEADER_BYTES + MAX_DATAGRAM_BYTES + 1


class PythonEngine:
    """Implements Engine. Make it with `open_python_engine`."""

    def __init__(self, settings: EngineSettings, upstream: socket.socket) -> None:
        self._settings = settings
        limits = settings.limits
        source = SourcePrefix(limits.ipv4_source_bits, limits.ipv6_source_bits)
        self._flows = FlowTable(
            max_flows=settings.max_flows,
            idle_s=settings.unsynced_flow_idle_s,
            max_flows_per_source=limits.max_flows_per_source,
            source=source,
        )
        self._admission = Admission(limits, source)
        self._forwarding = Forwarding(settings.cluster_id, self._flows, self._admission)
        self._upstream_socket = upstream
        self._public: dict[Address, socket.socket] = {}
        self._listening: list[Address] = []
        self._expiry: asyncio.TimerHandle | None = None
        self._counters = EngineCounters()

    @property
    def upstream_addresses(self) -> Sequence[Address]:
        """One: this engine has one upstream socket."""
        return (_bound_address(self._upstream_socket),)

    @property
    def listening(self) -> Sequence[Address]:
        """The public sockets as bound."""
        return tuple(self._listening)

    async def listen(self) -> None:
        """Binds the public sockets; see Engine."""
        for listener in self._settings.listeners:
            self._open_public(listener)
        self._read_from(self._upstream_socket, self._from_transceiver)
        self._expire()

    def _open_public(self, listener: Listener) -> None:
        opened = _udp_socket(listener.bind, shared=True)
        address = _bound_address(opened)
        public = Address(listener.public.host, listener.public.port or address.port)

        def received(datagram: bytes, client: Address, dscp: int) -> None:
            self._from_client(datagram, FlowKey(client, public), dscp)

        self._public[public] = opened
        self._listening.append(address)
        self._read_from(opened, received)

    def _read_from(self, opened: socket.socket, received: Received) -> None:
        asyncio.get_running_loop().add_reader(opened, _read_batch, opened, received)

    def _from_client(self, datagram: bytes, key: FlowKey, dscp: int) -> None:
        counters = self._counters
        counters.client_datagrams_received += 1
        counters.client_bytes_received += len(datagram)
        decision = self._forwarding.from_client(datagram, key, time.monotonic())
        if not isinstance(decision, Upstream):
            counters.drops[decision] += 1
        elif _send(self._upstream_socket, decision.datagram, decision.transceiver, dscp):
            counters.transceiver_datagrams_sent += 1
            counters.transceiver_bytes_sent += len(datagram)
        else:
            counters.drops[DropReason.SEND_FAILED] += 1

    def _from_transceiver(self, datagram: bytes, source: Address, dscp: int) -> None:
        counters = self._counters
        counters.transceiver_datagrams_received += 1
        counters.transceiver_bytes_received += max(len(datagram) - HEADER_BYTES, 0)
        decision = self._forwarding.from_transceiver(datagram, source, time.monotonic())
        if not isinstance(decision, Downstream):
            counters.drops[decision] += 1
            return
        public = self._public.get(decision.proxy)
        if public is None:
            # Synced to every relay, but the client's packets go to another relay's address.
            counters.drops[DropReason.UNKNOWN_RETURN_FLOW] += 1
        elif _send(public, decision.datagram, decision.client, dscp):
            counters.client_datagrams_sent += 1
            counters.client_bytes_sent += len(decision.datagram)
        else:
            counters.drops[DropReason.SEND_FAILED] += 1

    def _expire(self) -> None:
        self._flows.expire(time.monotonic())
        self._expiry = asyncio.get_running_loop().call_later(EXPIRY_INTERVAL_S, self._expire)

    def set_keys(self, keys: KeyRing) -> None:
        """See Engine."""
        self._forwarding.set_keys(keys)

    def set_transceiver(self, transceiver_id: int, media_address: Address) -> None:
        """See Engine."""
        self._forwarding.set_transceiver(transceiver_id, media_address)

    def remove_transceiver(self, transceiver_id: int) -> None:
        """See Engine."""
        self._forwarding.remove_transceiver(transceiver_id)
        self._flows.remove_all(transceiver_id)

    def upsert_flows(self, transceiver_id: int, flows: Collection[FlowKey]) -> None:
        """See Engine."""
        refused = self._flows.upsert_synced(transceiver_id, flows, time.monotonic())
        self._counters.synced_flows_refused += refused

    def remove_flows(self, transceiver_id: int, flows: Collection[FlowKey]) -> None:
        """See Engine."""
        self._flows.remove(transceiver_id, flows)

    def replace_flows(self, transceiver_id: int, flows: Collection[FlowKey]) -> None:
        """See Engine."""
        refused = self._flows.replace_synced(transceiver_id, flows, time.monotonic())
        self._counters.synced_flows_refused += refused

    def release_flows(self, transceiver_id: int) -> None:
        """See Engine."""
        self._flows.release(transceiver_id, time.monotonic())

    def flow_count(self) -> int:
        """See Engine."""
        return len(self._flows)

    def counters(self) -> EngineCounters:
        """See Engine."""
        counters = self._counters
        return replace(counters, checks_verified=self._forwarding.checks_verified, drops=Counter(counters.drops))

    def budgets(self) -> Budgets:
        """See Engine."""
        return self._admission.budgets(time.monotonic())

    def failure(self) -> str | None:
        """None: it has no part that could stop alone."""
        return None

    def hand_over(self) -> None:
        """See Engine."""
        for public, opened in self._public.items():
            _leave_group(opened, public)

    async def close(self) -> None:
        """See Engine."""
        if self._expiry is not None:
            self._expiry.cancel()
        loop = asyncio.get_running_loop()
        for opened in (*self._public.values(), self._upstream_socket):
            loop.remove_reader(opened)
            opened.close()
        self._public.clear()


def _read_batch(opened: socket.socket, received: Received) -> None:
    """Takes what is there, up to a bound, so that no socket starves another."""
    for _ in range(BATCH):
        try:
            datagram, control, _, source = opened.recvmsg(RECEIVE_BYTES, CONTROL_BYTES)
        except BlockingIOError:
            return
        except OSError:
            # What an ICMP error says of an earlier datagram to a client that is gone.
            continue
        # A link-local client's address comes with a zone (fe80::1%eth0), which no SPP header can carry.
        received(datagram, Address(source[0].partition("%")[0], source[1]), dscp_of(control))


def _send(opened: socket.socket, datagram: bytes, destination: Address, dscp: int) -> bool:
    """Hands a datagram to the kernel; False if it does not take it. Media does not wait."""
    try:
        if dscp:
            opened.sendmsg([datagram], marked(opened, dscp), 0, destination)
        else:
            opened.sendto(datagram, destination)
    except OSError:
        return False
    return True


def _udp_socket(address: Address, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        report_dscp(opened)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            opened.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        opened.bind((address.host, address.port))
    except OSError:
        opened.close()
        raise
    return opened


def _leave_group(shared: socket.socket, public: Address) -> None:
    """Connects a socket to itself, which takes it out of those that share its address and leaves it its queue.

    The kernel passes over connected sockets when it spreads clients. One bound to every interface is connected to its
    public address instead, as connecting fixes the address that it sends from.
    """
    bound = _bound_address(shared)
    peer = bound if not ip_address(bound.host).is_unspecified else Address(public.host, bound.port)
    if ip_address(peer.host).is_unspecified:
        return  # nobody has said which address clients see
    with contextlib.suppress(OSError):  # no route to the public address: then this socket serves until it is closed
        shared.connect(peer)


def _bound_address(bound: socket.socket) -> Address:
    host, port = cast("tuple[str, int]", bound.getsockname()[:2])
    return Address(host, port)


def open_python_engine(settings: EngineSettings) -> PythonEngine:
    """Binds the upstream socket, so that relays can be told where this engine's datagrams come from.

    Raises:
        OSError: it cannot be bound.
    """
    return PythonEngine(settings, _udp_socket(settings.upstream, shared=False))
