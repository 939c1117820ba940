"""What a client may send once it has proved itself, and where it goes."""

import secrets

import pytest
from aioice import stun

from relay.engine.interface import FlowKey
from tests.support.relay_scene import (
    ALICE,
    BOB,
    DTLS_RECORD,
    SRTCP_PACKET,
    SRTP_PACKET,
    RelayScene,
    binding_response,
    relay_scene,
)
from tests.support.udp_peer import Received
from wire.drop import DropReason
from wire.spp import SppHeader
from wire.ufrag import KeyRing, RouteKey


@pytest.mark.parametrize("kind", ["DTLS", "SRTP", "SRTCP", "STUN response", "STUN indication"])
async def test_what_carries_no_route_follows_the_check(scene: RelayScene, kind: str) -> None:
    datagram = {
        "DTLS": DTLS_RECORD,
        "SRTP": SRTP_PACKET,
        "SRTCP": SRTCP_PACKET,
        "STUN response": binding_response(),
        "STUN indication": bytes(stun.Message(stun.Method.BINDING, stun.Class.INDICATION)),
    }[kind]
    for transceiver_id in (ALICE, BOB):
        client = await scene.client()
        await scene.bind(client, transceiver_id)
        client.send(datagram, scene.proxy)
        assert await scene.arrives(transceiver_id) == (SppHeader(client.address, scene.proxy), datagram)


async def test_bytes_are_the_same_on_the_other_side_in_both_directions(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client)
    for size in (2, 3, 37, 38, 172, 1200, 1472, 2048):
        datagram = bytes([0x80, 111]) + secrets.token_bytes(size - 2)
        client.send(datagram, scene.proxy)
        assert (await scene.arrives(ALICE))[1] == datagram
        scene.send_back(scene.transceivers[ALICE], scene.flow(client), datagram)
        assert await client.receive() == Received(datagram, scene.proxy)


async def test_order_is_kept_within_a_flow(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client)
    for number in range(100):  # what the default socket buffers hold at once
        client.send(SRTP_PACKET + bytes([number]), scene.proxy)
    arrived = [(await scene.arrives(ALICE))[1][-1] for _ in range(100)]
    assert arrived == list(range(100))


async def test_a_check_may_fill_the_mtu(scene: RelayScene) -> None:
    client = await scene.client()
    small = scene.check(software="")
    check = scene.check(software="x" * ((1472 - len(small)) // 4 * 4))
    assert 1468 <= len(check) <= 1472
    client.send(check, scene.proxy)
    assert (await scene.arrives(ALICE))[1] == check


async def test_every_check_is_forwarded_unchanged_and_counted(scene: RelayScene) -> None:
    client = await scene.client()
    for _ in range(3):
        await scene.bind(client)
    counters = scene.engine.counters()
    assert counters.checks_verified == 3
    assert counters.drops.total() == 0
    assert scene.engine.flow_count() == 1


async def test_a_reused_nat_port_goes_to_the_new_session(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client, ALICE)
    scene.engine.upsert_flows(ALICE, [scene.flow(client)])  # and its transceiver has vouched for it
    await scene.bind(client, BOB)
    client.send(SRTP_PACKET, scene.proxy)
    assert (await scene.arrives(BOB))[1] == SRTP_PACKET
    assert scene.transceivers[ALICE].is_idle
    # The old owner takes its flow back late: the new one keeps it.
    scene.engine.remove_flows(ALICE, [scene.flow(client)])
    client.send(DTLS_RECORD, scene.proxy)
    assert (await scene.arrives(BOB))[1] == DTLS_RECORD


async def test_clients_are_told_apart_by_port(scene: RelayScene) -> None:
    clients = [await scene.client() for _ in range(20)]
    for number, client in enumerate(clients):
        await scene.bind(client, ALICE if number % 2 else BOB)
    for number, client in enumerate(clients):
        transceiver_id = ALICE if number % 2 else BOB
        client.send(SRTP_PACKET, scene.proxy)
        assert (await scene.arrives(transceiver_id))[0].client == client.address
        scene.send_back(scene.transceivers[transceiver_id], scene.flow(client), bytes([128, number]))
        assert (await client.receive()).datagram == bytes([128, number])


async def test_a_transceiver_that_has_moved_is_found(scene: RelayScene) -> None:
    client, elsewhere = await scene.client(), await scene.stranger()
    await scene.bind(client)
    scene.engine.set_transceiver(ALICE, elsewhere.address)
    scene.transceivers[ALICE] = elsewhere
    client.send(SRTP_PACKET, scene.proxy)
    assert (await scene.arrives(ALICE))[1] == SRTP_PACKET
    scene.send_back(elsewhere, scene.flow(client), b"back")
    assert (await client.receive()).datagram == b"back"


async def test_a_forgotten_transceiver_gets_nothing(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client)
    scene.engine.remove_transceiver(ALICE)
    assert scene.engine.flow_count() == 0
    client.send(SRTP_PACKET, scene.proxy)
    await scene.dropped(DropReason.UNKNOWN_FLOW)
    assert scene.transceivers[ALICE].is_idle


async def test_keys_rotate_under_a_call(scene: RelayScene) -> None:
    old_key, new_key = RouteKey("A", bytes(range(32))), RouteKey("B", bytes(range(1, 33)))
    before, during, after = KeyRing(old_key), KeyRing(new_key, [old_key]), KeyRing(new_key)
    client, newcomer = await scene.client(), await scene.client()
    for held, minting in ((before, before), (during, before), (during, during), (after, during)):
        scene.engine.set_keys(held)
        scene.keys = minting
        await scene.bind(client)
        client.send(SRTP_PACKET, scene.proxy)
        assert (await scene.arrives(ALICE))[1] == SRTP_PACKET
    # Only now is what the old key has minted worth nothing; a call that still has its flow goes on.
    scene.keys = before
    newcomer.send(scene.check(), scene.proxy)
    await scene.dropped(DropReason.UNKNOWN_KEY)
    client.send(SRTP_PACKET, scene.proxy)
    assert (await scene.arrives(ALICE))[1] == SRTP_PACKET


async def test_it_does_the_same_over_ipv6(engine_name: str) -> None:
    async with relay_scene(engine_name, host="::1") as scene:
        client = await scene.client()
        assert client.address.host == "::1"
        await scene.bind(client)
        client.send(SRTP_PACKET, scene.proxy)
        assert await scene.arrives(ALICE) == (SppHeader(client.address, scene.proxy), SRTP_PACKET)
        scene.send_back(scene.transceivers[ALICE], scene.flow(client), SRTP_PACKET)
        assert await client.receive() == Received(SRTP_PACKET, scene.proxy)
        stranger = await scene.stranger()
        scene.send_back(stranger, scene.flow(client), SRTP_PACKET)
        await scene.dropped(DropReason.UNKNOWN_RETURN_SOURCE)


async def test_counters_add_up(scene: RelayScene) -> None:
    client, stranger = await scene.client(), await scene.client()
    await scene.bind(client)
    client.send(SRTP_PACKET, scene.proxy)
    await scene.arrives(ALICE)
    stranger.send(SRTP_PACKET, scene.proxy)
    await scene.dropped(DropReason.UNKNOWN_FLOW)
    scene.send_back(scene.transceivers[ALICE], scene.flow(client), b"12345")
    await client.receive()
    counters = scene.engine.counters()
    assert counters.client_datagrams_received == 3
    assert counters.transceiver_datagrams_sent == 2
    assert counters.client_bytes_received == counters.transceiver_bytes_sent + len(SRTP_PACKET)
    assert (counters.transceiver_datagrams_received, counters.client_datagrams_sent) == (1, 1)
    assert (counters.transceiver_bytes_received, counters.client_bytes_sent) == (5, 5)


async def test_an_unreachable_transceiver_is_a_counted_drop(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client)
    scene.engine.set_transceiver(ALICE, scene.proxy._replace(host="::1"))  # not of the upstream socket's family
    client.send(SRTP_PACKET, scene.proxy)
    await scene.dropped(DropReason.SEND_FAILED)


async def test_flows_of_another_proxy_address_are_not_mixed_up(scene: RelayScene) -> None:
    client = await scene.client()
    elsewhere = FlowKey(client.address, scene.proxy._replace(port=1))
    scene.engine.upsert_flows(ALICE, [elsewhere])
    client.send(SRTP_PACKET, scene.proxy)
    await scene.dropped(DropReason.UNKNOWN_FLOW)
