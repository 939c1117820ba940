"""Clients take answers only from where they have asked: on a host with several addresses each has a listener."""

import pytest

from relay.engine.interface import EngineSettings, FlowKey, Listener
from tests.support.relay_scene import ALICE, CLUSTER, ENGINES, SRTP_PACKET, RelayScene
from tests.support.udp_peer import Received
from wire.address import Address
from wire.spp import encode_header

OURS = ("127.0.0.2", "127.0.0.3")


@pytest.mark.parametrize("asked", OURS)
async def test_a_listener_on_each_address(scene: RelayScene, engine_name: str, asked: str) -> None:
    listeners = [Listener(Address(host, 0), Address(host, 0)) for host in OURS]
    settings = EngineSettings(CLUSTER, listeners, upstream=Address(scene.proxy.host, 0), max_flows=1000)
    engine = ENGINES[engine_name](settings)
    try:
        engine.set_keys(scene.keys)
        engine.set_transceiver(ALICE, scene.transceivers[ALICE].address)
        await engine.listen()
        proxy = next(bound for bound in engine.listening if bound.host == asked)
        client = await scene.client()
        client.send(scene.check(), proxy)
        transceiver = scene.transceivers[ALICE]
        assert (await transceiver.receive()).source in engine.upstream_addresses
        flow = FlowKey(client.address, proxy)
        transceiver.send(encode_header(flow.client, flow.proxy) + SRTP_PACKET, engine.upstream_addresses[0])
        assert await client.receive() == Received(SRTP_PACKET, proxy)
    finally:
        await engine.close()
