"""A relay that ends: its clients go to the relay that shares the address, and what is under way arrives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relay.engine.interface import Engine, EngineSettings, FlowKey, Listener
from tests.support.relay_scene import ALICE, CLUSTER, ENGINES, SRTP_PACKET, RelayScene
from tests.support.udp_peer import Received
from wire.address import Address
from wire.spp import encode_header

CLIENTS = 40
"""The kernel puts all of them on one of two sockets once in 2 ** 39 runs."""


@pytest.fixture
async def successor(scene: RelayScene) -> AsyncIterator[Engine]:
    """A second engine on the same address."""
    async with another_engine(scene, "python", Listener(scene.proxy, scene.proxy)) as engine:
        yield engine


@asynccontextmanager
async def another_engine(scene: RelayScene, name: str, listener: Listener) -> AsyncIterator[Engine]:
    """With the same keys and transceiver."""
    settings = EngineSettings(CLUSTER, [listener], upstream=Address(scene.proxy.host, 0), max_flows=1000)
    engine = ENGINES[name](settings)
    try:
        engine.set_keys(scene.keys)
        engine.set_transceiver(ALICE, scene.transceivers[ALICE].address)
        await engine.listen()
        yield engine
    finally:
        await engine.close()


async def test_clients_go_to_the_relay_that_shares_the_address(scene: RelayScene, successor: Engine) -> None:
    scene.engine.hand_over()
    scene.engine.counters()  # answered once the order is done
    for _ in range(CLIENTS):
        client = await scene.client()
        client.send(scene.check(), scene.proxy)
        assert (await scene.transceivers[ALICE].receive()).source in successor.upstream_addresses
    assert scene.engine.counters().client_datagrams_received == 0


async def test_nothing_sent_before_or_after_is_lost(scene: RelayScene, successor: Engine) -> None:
    clients = [await scene.client() for _ in range(CLIENTS)]
    for client in clients:
        client.send(scene.check(), scene.proxy)
    for _ in clients:
        await scene.transceivers[ALICE].receive()
    flows = [scene.flow(client) for client in clients]
    scene.engine.upsert_flows(ALICE, flows)
    successor.upsert_flows(ALICE, flows)
    # No await in between: the Python engine cannot have read what is queued when it hands over.
    for number, client in enumerate(clients):
        client.send(SRTP_PACKET + b"before" + bytes([number]), scene.proxy)
    scene.engine.hand_over()
    for number, client in enumerate(clients):
        client.send(SRTP_PACKET + b"after" + bytes([number]), scene.proxy)
    arrived = [(await scene.transceivers[ALICE].receive()).datagram for _ in range(2 * CLIENTS)]
    assert len(set(arrived)) == 2 * CLIENTS
    assert scene.engine.counters().drops.total() == successor.counters().drops.total() == 0


async def test_what_transceivers_send_still_reaches_clients_from_the_public_address(
    scene: RelayScene, successor: Engine
) -> None:
    client = await scene.client()
    client.send(scene.check(), scene.proxy)
    await scene.transceivers[ALICE].receive()
    scene.engine.upsert_flows(ALICE, [scene.flow(client)])
    scene.engine.hand_over()
    scene.send_back(scene.transceivers[ALICE], scene.flow(client), SRTP_PACKET)
    assert await client.receive() == Received(SRTP_PACKET, scene.proxy)


async def test_bound_to_every_interface_it_hands_over_and_answers_from_the_address_clients_know(
    scene: RelayScene, engine_name: str
) -> None:
    anywhere, known_as = Address("0.0.0.0", 0), Address("127.0.0.1", 0)
    async with another_engine(scene, engine_name, Listener(anywhere, known_as)) as old:
        (bound,) = old.listening
        proxy = Address("127.0.0.1", bound.port)
        client = await scene.client()
        flow = FlowKey(client.address, proxy)
        async with another_engine(scene, "python", Listener(bound, proxy)) as new:
            old.upsert_flows(ALICE, [flow])
            old.hand_over()
            old.counters()  # answered once the order is done
            client.send(scene.check(), proxy)
            assert (await scene.transceivers[ALICE].receive()).source in new.upstream_addresses
            envelope = encode_header(flow.client, flow.proxy)
            scene.transceivers[ALICE].send(envelope + SRTP_PACKET, old.upstream_addresses[0])
            assert await client.receive() == Received(SRTP_PACKET, proxy)
