"""Attack scenes on the upstream side: what a relay sends to a client comes from that client's transceiver."""

from relay.engine.interface import FlowKey
from tests.support.relay_scene import ALICE, BOB, SRTP_PACKET, RelayScene
from wire.drop import DropReason


async def test_a_strangers_return_packet(scene: RelayScene) -> None:
    client, stranger = await scene.client(), await scene.stranger()
    await scene.bind(client)
    scene.send_back(stranger, scene.flow(client), b"forged")
    await scene.dropped(DropReason.UNKNOWN_RETURN_SOURCE)
    await scene.nothing_has_reached(client)


async def test_a_reflection_towards_a_victim_without_a_flow(scene: RelayScene) -> None:
    victim = await scene.client()
    scene.send_back(scene.transceivers[ALICE], scene.flow(victim), b"unasked")
    await scene.dropped(DropReason.UNKNOWN_RETURN_FLOW)
    await scene.nothing_has_reached(victim)


async def test_another_transceivers_client(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client, ALICE)
    scene.send_back(scene.transceivers[BOB], scene.flow(client), b"not yours")
    await scene.dropped(DropReason.UNKNOWN_RETURN_FLOW)
    await scene.nothing_has_reached(client, ALICE)


async def test_the_old_owner_of_a_reused_port(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client, ALICE)
    await scene.bind(client, BOB)
    scene.send_back(scene.transceivers[ALICE], scene.flow(client), b"to whom it may concern")
    await scene.dropped(DropReason.UNKNOWN_RETURN_FLOW)
    await scene.nothing_has_reached(client, BOB)


async def test_a_flow_that_was_taken_back(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client)
    scene.engine.remove_flows(ALICE, [scene.flow(client)])
    scene.send_back(scene.transceivers[ALICE], scene.flow(client), b"too late")
    await scene.dropped(DropReason.UNKNOWN_RETURN_FLOW)
    await scene.nothing_has_reached(client)


async def test_a_flow_of_another_relays_address(scene: RelayScene) -> None:
    client = await scene.client()
    elsewhere = FlowKey(client.address, scene.proxy._replace(port=1))
    scene.engine.upsert_flows(ALICE, [elsewhere])
    scene.send_back(scene.transceivers[ALICE], elsewhere, b"by the other relay")
    await scene.dropped(DropReason.UNKNOWN_RETURN_FLOW)
    await scene.nothing_has_reached(client)


async def test_a_transceiver_that_was_forgotten(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client, BOB)
    scene.engine.remove_transceiver(BOB)
    scene.send_back(scene.transceivers[BOB], scene.flow(client), b"from the past")
    await scene.dropped(DropReason.UNKNOWN_RETURN_SOURCE)
    await scene.nothing_has_reached(client, ALICE)


async def test_what_is_no_envelope(scene: RelayScene) -> None:
    transceiver = scene.transceivers[ALICE]
    for number, datagram in enumerate((b"", b"\x56", b"\x56\xec" + bytes(35), SRTP_PACKET), start=1):
        transceiver.send(datagram, scene.engine.upstream_addresses[0])
        await scene.dropped(DropReason.MALFORMED_SPP, number)


async def test_an_envelope_around_nothing(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client)
    scene.send_back(scene.transceivers[ALICE], scene.flow(client), b"")
    await scene.dropped(DropReason.EMPTY_DATAGRAM)
    await scene.nothing_has_reached(client)


async def test_an_envelope_around_too_much(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client)
    for number, size in enumerate((2049, 60_000), start=1):
        scene.send_back(scene.transceivers[ALICE], scene.flow(client), bytes(size))
        await scene.dropped(DropReason.OVERSIZED_DATAGRAM, number)
    await scene.nothing_has_reached(client)


async def test_a_client_cannot_pose_as_a_transceiver(scene: RelayScene) -> None:
    """An envelope sent to the public port is a datagram like any other: QUIC by its first byte."""
    client, victim = await scene.client(), await scene.client()
    await scene.bind(victim)
    client.send(b"\x56\xec" + bytes(36) + b"payload", scene.proxy)
    await scene.dropped(DropReason.UNSUPPORTED_KIND)
    await scene.nothing_has_reached(victim)
