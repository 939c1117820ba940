"""A datagram leaves a relay with the DSCP it came with, in both directions, and with no promise about congestion."""

import pytest

from relay.engine.interface import FlowKey
from tests.support.marked_peer import MarkedPeer, marked_peer
from tests.support.relay_scene import ALICE, DTLS_RECORD, SRTP_PACKET, RelayScene, relay_scene
from wire.spp import HEADER_BYTES, encode_header

EF, AF11, ALL_BITS = 46, 10, 63
ECT_1, CONGESTION_EXPERIENCED = 1, 3


async def proven(scene: RelayScene, client: MarkedPeer, transceiver: MarkedPeer) -> FlowKey:
    """A marked client of a marked transceiver."""
    scene.engine.set_transceiver(ALICE, transceiver.address)
    check = scene.check()
    client.send(check, scene.proxy, EF << 2)
    flow = FlowKey(client.address, scene.proxy)
    assert await transceiver.receive() == (encode_header(*flow) + check, EF << 2)
    return flow


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_dscp_is_kept_and_ecn_is_not(engine_name: str, host: str) -> None:
    async with relay_scene(engine_name, host=host) as scene:
        with marked_peer(host) as client, marked_peer(host) as transceiver:
            envelope = encode_header(*await proven(scene, client, transceiver))
            for dscp in (0, AF11, EF, ALL_BITS):
                for ecn in (0, ECT_1, CONGESTION_EXPERIENCED):
                    client.send(SRTP_PACKET, scene.proxy, dscp << 2 | ecn)
                    assert await transceiver.receive() == (envelope + SRTP_PACKET, dscp << 2)
                    upstream = scene.engine.upstream_addresses[-1]
                    transceiver.send(envelope + DTLS_RECORD, upstream, dscp << 2 | ecn)
                    assert await client.receive() == (DTLS_RECORD, dscp << 2)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_datagrams_that_travel_together_keep_their_own(engine_name: str, host: str) -> None:
    async with relay_scene(engine_name, host=host) as scene:
        with marked_peer(host) as client, marked_peer(host) as transceiver:
            envelope = encode_header(*await proven(scene, client, transceiver))
            marks = [EF, EF, EF, 0, 0, EF, AF11, AF11, EF, EF] * 4
            for number, dscp in enumerate(marks):
                client.send(SRTP_PACKET + bytes([number]), scene.proxy, dscp << 2)
            arrived = [await transceiver.receive() for _ in marks]
            assert [datagram[-1] for datagram, _ in arrived] == list(range(len(marks)))
            assert [traffic_class >> 2 for _, traffic_class in arrived] == marks
            assert {datagram[:HEADER_BYTES] for datagram, _ in arrived} == {envelope}
            for number, dscp in enumerate(marks):
                transceiver.send(envelope + bytes([128, number]), scene.engine.upstream_addresses[0], dscp << 2)
            returned = [await client.receive() for _ in marks]
            assert returned == [(bytes([128, number]), dscp << 2) for number, dscp in enumerate(marks)]
