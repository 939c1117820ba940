"""Both engines are given the same datagrams and the same commands; every byte that leaves and every counter must agree.

They share clients, transceivers and the public address that their SPP headers name, so what they send is comparable. A
flow's datagrams are compared in order; between flows an engine may choose its own.
"""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from relay.engine.choice import open_engine
from relay.engine.interface import Engine, EngineSettings, FlowKey, Listener
from tests.support.relay_scene import CLUSTER, DTLS_RECORD, SRTCP_PACKET, SRTP_PACKET, binding_request, binding_response
from tests.support.udp_peer import UdpPeer, udp_peer, until
from wire.address import Address
from wire.spp import HEADER_BYTES, encode_header
from wire.ufrag import KeyRing, RouteKey, RouteToken

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

PUBLIC = Address("192.0.2.10", 3478)
SOMEWHERE = Address("127.0.0.1", 0)
CLIENTS = 6
MAX_FLOWS = 4
"""Fewer than clients, so that the table fills."""
BATCHES, BATCH = 60, 12
"""A batch is small enough for every socket buffer."""

Sent = dict[tuple[Address, bytes], list[bytes]]
"""What an engine has sent, by receiver and by flow (its SPP header; empty towards clients)."""


class Pair:
    """Two engines and what surrounds them. `dice` decides everything."""

    def __init__(self, engines: list[Engine], clients: list[UdpPeer], transceivers: list[UdpPeer], seed: int) -> None:
        self.engines = engines
        self._clients = clients
        self._transceivers = transceivers
        self._dice = random.Random(seed)
        self._keys = [RouteKey(name, self._dice.randbytes(32)) for name in "AB"]
        self._offered = 0
        self._taken = 0

    def offer_batch(self) -> None:
        """Some datagrams to both engines, all from one side: which side an engine reads first is its own affair."""
        from_clients = self._dice.random() < 0.6
        for _ in range(BATCH):
            if from_clients:
                sender, datagram = self._dice.choice(self._clients), self._client_datagram()
            else:
                sender, datagram = self._dice.choice(self._transceivers), self._return_datagram()
            datagram = self._maybe_damaged(datagram)
            for engine in self.engines:
                sender.send(datagram, engine.listening[0] if from_clients else engine.upstream_addresses[0])
        self._offered += BATCH

    def _client_datagram(self) -> bytes:
        ring = KeyRing(self._dice.choice(self._keys))
        ufrag = ring.mint_ufrag(
            RouteToken(self._dice.choice([CLUSTER] * 9 + [1]), self._dice.randrange(4), self._dice.getrandbits(48))
        )
        password = ring.ice_pwd(ufrag) if self._dice.random() < 0.9 else "x" * 24
        check = binding_request(f"{ufrag}:theirs", password, software="x" * self._dice.randrange(40))
        media = bytes([0x80, 111]) + self._dice.randbytes(self._dice.choice([0, 20, 20, 60, 170, 1198, 2046, 2047]))
        noise = self._dice.randbytes(self._dice.randrange(60))
        return self._dice.choice(
            [check, check, check, media, media, DTLS_RECORD, SRTP_PACKET, SRTCP_PACKET, binding_response(), noise]
        )

    def _return_datagram(self) -> bytes:
        flow = self._flow()
        payload = self._dice.randbytes(self._dice.choice([0, 1, 20, 170, 2048, 2049]))
        return encode_header(flow.client, flow.proxy) + payload

    def _maybe_damaged(self, datagram: bytes) -> bytes:
        if self._dice.random() < 0.8 or not datagram:
            return datagram
        damaged = bytearray(datagram[: self._dice.randrange(1, len(datagram) + 1)])
        damaged[self._dice.randrange(len(damaged))] ^= 1 << self._dice.randrange(8)
        return bytes(damaged)

    def _flow(self) -> FlowKey:
        proxy = PUBLIC if self._dice.random() < 0.9 else PUBLIC._replace(port=1)
        return FlowKey(self._dice.choice(self._clients).address, proxy)

    def command(self) -> None:
        """One command to both engines."""
        transceiver_id = self._dice.randrange(4)
        flows = [self._flow() for _ in range(self._dice.randrange(4))]
        address = self._transceivers[transceiver_id % len(self._transceivers)].address
        ring = KeyRing(self._keys[0], self._keys[1:] if self._dice.random() < 0.8 else ())
        commands: list[Callable[[Engine], None]] = [
            lambda engine: engine.upsert_flows(transceiver_id, flows),
            lambda engine: engine.remove_flows(transceiver_id, flows),
            lambda engine: engine.replace_flows(transceiver_id, flows),
            lambda engine: engine.release_flows(transceiver_id),
            lambda engine: engine.set_transceiver(transceiver_id, address),
            lambda engine: engine.remove_transceiver(transceiver_id),
            lambda engine: engine.set_keys(ring),
        ]
        chosen = self._dice.choice(commands)
        for engine in self.engines:
            chosen(engine)

    def start(self) -> None:
        """Keys, and three of the four transceivers that ufrags and commands name."""
        for engine in self.engines:
            engine.set_keys(KeyRing(self._keys[0], self._keys[1:]))
            for transceiver_id, transceiver in enumerate(self._transceivers):
                engine.set_transceiver(transceiver_id, transceiver.address)

    async def sent(self) -> list[Sent]:
        """What each engine has sent since the last call, once everything that was offered is handled."""
        for engine in self.engines:
            await until(partial(self._has_handled_all, engine), "everything offered is received")
        sent: list[Sent] = [defaultdict(list) for _ in self.engines]
        counters = [engine.counters() for engine in self.engines]
        expected = sum(each.client_datagrams_sent + each.transceiver_datagrams_sent for each in counters)
        await until(lambda: self._take(sent) == expected, "everything sent arrives")
        return sent

    def _has_handled_all(self, engine: Engine) -> bool:
        counters = engine.counters()
        return counters.client_datagrams_received + counters.transceiver_datagrams_received == self._offered

    def _take(self, sent: list[Sent]) -> int:
        """Sorts what has arrived by engine, receiver and flow; returns how much has arrived in all."""
        sources = [{engine.listening[0], *engine.upstream_addresses} for engine in self.engines]
        for peers, header_bytes in ((self._clients, 0), (self._transceivers, HEADER_BYTES)):
            for peer in peers:
                for received in peer.take():
                    (number,) = (n for n, addresses in enumerate(sources) if received.source in addresses)
                    sent[number][peer.address, received.datagram[:header_bytes]].append(received.datagram)
                    self._taken += 1
        return self._taken


@asynccontextmanager
async def pair_of_engines(seed: int, threads: int) -> AsyncIterator[Pair]:
    """Both engines, forwarding."""
    settings = EngineSettings(
        cluster_id=CLUSTER, listeners=[Listener(SOMEWHERE, PUBLIC)], upstream=SOMEWHERE, max_flows=MAX_FLOWS
    )
    async with AsyncExitStack() as stack:
        engines = [open_engine("python", settings), open_engine("native", replace(settings, threads=threads))]
        clients = [await stack.enter_async_context(udp_peer(SOMEWHERE)) for _ in range(CLIENTS)]
        transceivers = [await stack.enter_async_context(udp_peer(SOMEWHERE)) for _ in range(3)]
        for engine in engines:
            stack.push_async_callback(engine.close)
            await engine.listen()
        pair = Pair(engines, clients, transceivers, seed)
        pair.start()
        yield pair


@pytest.mark.parametrize("seed", range(8))
async def test_what_leaves_is_the_same(seed: int) -> None:
    async with pair_of_engines(seed, threads=1) as pair:
        reference, native = pair.engines
        for _ in range(BATCHES):
            pair.offer_batch()
            by_python, by_native = await pair.sent()
            assert by_native == by_python
            assert native.counters() == reference.counters()
            assert native.flow_count() == reference.flow_count()
            pair.command()
        assert reference.counters().client_datagrams_sent > 0
        assert len(reference.counters().drops) > 10
