"""A relay engine between clients and transceivers that are plain UDP sockets, so that every byte can be looked at."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from aioice import stun

from relay.engine.choice import native_engine_installed, open_engine
from relay.engine.interface import Engine, EngineSettings, FlowKey, Listener
from relay.engine.limits import AdmissionLimits
from tests.support.udp_peer import Received, UdpPeer, udp_peer, until
from wire.address import Address
from wire.drop import DropReason
from wire.spp import HEADER_BYTES, SppHeader, decode_header, encode_header
from wire.ufrag import KeyRing, RouteKey, RouteToken

ENGINES: Final[dict[str, Callable[[EngineSettings], Engine]]] = {
    "python": partial(open_engine, "python"),
    "native": lambda settings: open_engine("native", replace(settings, threads=1)),
    # Always busy, so that packets gather; more threads than this machine may have cores.
    "native, three gathering threads": lambda settings: open_engine(
        "native", replace(settings, threads=3, gather_above=0)
    ),
}
"""Every engine passes the same suite."""
if not native_engine_installed():
    del ENGINES["native"], ENGINES["native, three gathering threads"]

CLUSTER = 7
ALICE, BOB = 1, 2
"""The transceivers of a scene."""

DTLS_RECORD = bytes([22, 254, 253]) + bytes(40)
SRTP_PACKET = bytes([0x80, 111]) + bytes(range(200))
SRTCP_PACKET = bytes([0x80, 200]) + bytes(60)


def route_key(config_id: str) -> RouteKey:
    """A fresh key."""
    return RouteKey(config_id, secrets.token_bytes(32))


def binding_request(username: str, password: str, *, software: str | None = None) -> bytes:
    """A client's connectivity check, built and signed by aioice."""
    attributes: dict[str, object] = {"USERNAME": username, "PRIORITY": 0x7E0000FF, "ICE-CONTROLLING": 1}
    if software is not None:
        attributes["SOFTWARE"] = software
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)
    message.add_message_integrity(password.encode())
    return bytes(message)


def binding_response() -> bytes:
    """A client's answer to a check of the transceiver's: no USERNAME, so no route of its own."""
    return bytes(stun.Message(stun.Method.BINDING, stun.Class.RESPONSE))


class RelayScene:
    """Clients on one side, transceivers on the other, the engine under test between them.

    Attributes:
        engine: under test, listening.
        keys: what it routes by.
        transceivers: sockets of ALICE and BOB, by transceiver id.
        proxy: the public address of the engine.
    """

    def __init__(self, engine: Engine, keys: KeyRing, transceivers: dict[int, UdpPeer], stack: AsyncExitStack) -> None:
        self.engine = engine
        self.keys = keys
        self.transceivers = transceivers
        self.proxy = engine.listening[0]
        self._stack = stack

    async def client(self, host: str | None = None) -> UdpPeer:
        """One more client socket, at the relay's own address or at another one of this machine."""
        return await self._stack.enter_async_context(udp_peer(Address(host or self.proxy.host, 0)))

    async def stranger(self) -> UdpPeer:
        """A socket on the upstream side that is nobody's."""
        return await self._stack.enter_async_context(udp_peer(Address(self.engine.upstream_addresses[0].host, 0)))

    def check(
        self,
        transceiver_id: int = ALICE,
        *,
        cluster_id: int = CLUSTER,
        keys: KeyRing | None = None,
        software: str | None = None,
    ) -> bytes:
        """A check as a client makes it that was given an answer by the transceiver."""
        keys = keys or self.keys
        ufrag = keys.mint_ufrag(RouteToken(cluster_id, transceiver_id, secrets.randbits(48)))
        return binding_request(f"{ufrag}:theirs", keys.ice_pwd(ufrag), software=software)

    def flow(self, client: UdpPeer) -> FlowKey:
        """The client's five-tuple."""
        return FlowKey(client.address, self.proxy)

    async def bind(self, client: UdpPeer, transceiver_id: int = ALICE) -> None:
        """The client has proved itself to a transceiver."""
        check = self.check(transceiver_id)
        client.send(check, self.proxy)
        assert await self.arrives(transceiver_id) == (SppHeader(client.address, self.proxy), check)

    async def arrives(self, transceiver_id: int) -> tuple[SppHeader, bytes]:
        """The next datagram that reaches a transceiver, taken apart."""
        received = await self.transceivers[transceiver_id].receive()
        assert received.source in self.engine.upstream_addresses
        header = decode_header(received.datagram)
        assert isinstance(header, SppHeader)
        return header, received.datagram[HEADER_BYTES:]

    def send_back(self, sender: UdpPeer, flow: FlowKey, datagram: bytes) -> None:
        """Somebody on the upstream side asks for `datagram` to be sent to a client."""
        sender.send(encode_header(flow.client, flow.proxy) + datagram, self.engine.upstream_addresses[0])

    async def dropped(self, reason: DropReason, count: int = 1) -> None:
        """Returns once exactly `count` datagrams have been dropped for `reason`, and none for any other."""
        await until(
            lambda: self.engine.counters().drops.total() >= count,
            f"{count} x {reason}; counted: {dict(self.engine.counters().drops)}",
        )
        assert self.engine.counters().drops == {reason: count}

    async def nothing_has_reached_a_transceiver(self) -> None:
        """An honest client's check is the first thing that each of them sees."""
        for transceiver_id in self.transceivers:
            await self.bind(await self.client(), transceiver_id)
            assert self.transceivers[transceiver_id].is_idle

    async def nothing_has_reached(self, client: UdpPeer, transceiver_id: int = ALICE) -> None:
        """What its transceiver sends now is the first thing that the client sees."""
        await self.bind(client, transceiver_id)
        self.send_back(self.transceivers[transceiver_id], self.flow(client), b"sentinel")
        assert await client.receive() == Received(b"sentinel", self.proxy)


@asynccontextmanager
async def relay_scene(
    engine_name: str,
    *,
    host: str = "127.0.0.1",
    max_flows: int = 1000,
    unsynced_flow_idle_s: float = 30.0,
    limits: AdmissionLimits | None = None,
) -> AsyncIterator[RelayScene]:
    """Everything on one loopback address."""
    somewhere = Address(host, 0)
    async with AsyncExitStack() as stack:
        settings = EngineSettings(
            cluster_id=CLUSTER,
            listeners=[Listener(somewhere, somewhere)],
            upstream=somewhere,
            max_flows=max_flows,
            unsynced_flow_idle_s=unsynced_flow_idle_s,
            limits=limits or AdmissionLimits(),
        )
        engine = ENGINES[engine_name](settings)
        stack.push_async_callback(engine.close)
        keys = KeyRing(route_key("A"))
        engine.set_keys(keys)
        transceivers = {}
        for transceiver_id in (ALICE, BOB):
            transceivers[transceiver_id] = await stack.enter_async_context(udp_peer(somewhere))
            engine.set_transceiver(transceiver_id, transceivers[transceiver_id].address)
        await engine.listen()
        yield RelayScene(engine, keys, transceivers, stack)
