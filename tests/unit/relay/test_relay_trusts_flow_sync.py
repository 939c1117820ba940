"""A relay that was told of a flow forwards at once: after a restart or a re-hash nobody waits for the next check."""

from tests.support.relay_scene import ALICE, BOB, DTLS_RECORD, SRTP_PACKET, RelayScene, relay_scene
from tests.support.udp_peer import until
from wire.drop import DropReason


async def test_a_synced_flow_is_forwarded_both_ways_without_any_check(scene: RelayScene) -> None:
    client = await scene.client()
    scene.engine.upsert_flows(ALICE, [scene.flow(client)])
    client.send(SRTP_PACKET, scene.proxy)
    assert (await scene.arrives(ALICE))[1] == SRTP_PACKET
    scene.send_back(scene.transceivers[ALICE], scene.flow(client), SRTP_PACKET)
    assert (await client.receive()).datagram == SRTP_PACKET
    assert scene.engine.counters().checks_verified == 0


async def test_a_flow_taken_back_is_forwarded_no_more(scene: RelayScene) -> None:
    client = await scene.client()
    scene.engine.upsert_flows(ALICE, [scene.flow(client)])
    scene.engine.remove_flows(ALICE, [scene.flow(client)])
    client.send(SRTP_PACKET, scene.proxy)
    await scene.dropped(DropReason.UNKNOWN_FLOW)


async def test_a_snapshot_replaces_what_the_same_transceiver_said_before(scene: RelayScene) -> None:
    stays, goes, of_another = [await scene.client() for _ in range(3)]
    scene.engine.upsert_flows(ALICE, [scene.flow(stays), scene.flow(goes)])
    scene.engine.upsert_flows(BOB, [scene.flow(of_another)])
    scene.engine.replace_flows(ALICE, [scene.flow(stays)])
    assert scene.engine.flow_count() == 2
    goes.send(SRTP_PACKET, scene.proxy)
    await scene.dropped(DropReason.UNKNOWN_FLOW)
    stays.send(SRTP_PACKET, scene.proxy)
    assert (await scene.arrives(ALICE))[0].client == stays.address
    of_another.send(SRTP_PACKET, scene.proxy)
    assert (await scene.arrives(BOB))[0].client == of_another.address


async def test_a_snapshot_does_not_undo_a_check_that_it_is_too_old_to_know(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client)
    scene.engine.replace_flows(ALICE, [])
    client.send(DTLS_RECORD, scene.proxy)
    assert (await scene.arrives(ALICE))[1] == DTLS_RECORD


async def test_a_stale_claim_does_not_undo_a_check_for_another_transceiver(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client, BOB)
    scene.engine.replace_flows(ALICE, [scene.flow(client)])
    client.send(DTLS_RECORD, scene.proxy)
    assert (await scene.arrives(BOB))[1] == DTLS_RECORD


async def test_of_two_claims_the_later_counts(scene: RelayScene) -> None:
    client = await scene.client()
    scene.engine.upsert_flows(ALICE, [scene.flow(client)])
    scene.engine.upsert_flows(BOB, [scene.flow(client)])
    scene.engine.remove_flows(ALICE, [scene.flow(client)])
    client.send(DTLS_RECORD, scene.proxy)
    assert (await scene.arrives(BOB))[1] == DTLS_RECORD


async def test_a_flow_of_a_transceiver_not_known_yet_waits_for_it(scene: RelayScene) -> None:
    client, newcomer = await scene.client(), await scene.stranger()
    scene.engine.upsert_flows(3, [scene.flow(client)])
    client.send(SRTP_PACKET, scene.proxy)
    await scene.dropped(DropReason.UNKNOWN_TRANSCEIVER)
    scene.engine.set_transceiver(3, newcomer.address)
    scene.transceivers[3] = newcomer
    client.send(SRTP_PACKET, scene.proxy)
    assert (await scene.arrives(3))[1] == SRTP_PACKET


async def test_what_a_check_made_and_nobody_confirms_ends(engine_name: str) -> None:
    async with relay_scene(engine_name, unsynced_flow_idle_s=0.05) as scene:
        silent, confirmed = await scene.client(), await scene.client()
        await scene.bind(silent)
        await scene.bind(confirmed)
        scene.engine.upsert_flows(ALICE, [scene.flow(confirmed)])
        await until(lambda: scene.engine.flow_count() == 1, "the silent flow ends")
        silent.send(SRTP_PACKET, scene.proxy)
        await scene.dropped(DropReason.UNKNOWN_FLOW)
        confirmed.send(SRTP_PACKET, scene.proxy)
        assert (await scene.arrives(ALICE))[0].client == confirmed.address


async def test_released_flows_end_unless_they_show_life(engine_name: str) -> None:
    async with relay_scene(engine_name, unsynced_flow_idle_s=0.05) as scene:
        client = await scene.client()
        scene.engine.upsert_flows(ALICE, [scene.flow(client)])
        scene.engine.release_flows(ALICE)
        await until(lambda: scene.engine.flow_count() == 0, "the released flow ends")


async def test_a_full_table_refuses_newcomers_and_keeps_calls(engine_name: str) -> None:
    async with relay_scene(engine_name, max_flows=2) as scene:
        first, second, third = [await scene.client() for _ in range(3)]
        await scene.bind(first)
        scene.engine.upsert_flows(ALICE, [scene.flow(second)])
        third.send(scene.check(), scene.proxy)
        await scene.dropped(DropReason.FLOW_TABLE_FULL)
        scene.engine.upsert_flows(ALICE, [scene.flow(third)])
        assert scene.engine.counters().synced_flows_refused == 1
        assert scene.engine.flow_count() == 2
        for client in (first, second):
            client.send(SRTP_PACKET, scene.proxy)
            assert (await scene.arrives(ALICE))[0].client == client.address
        await scene.bind(first, BOB)  # a known five-tuple may still move
        scene.engine.remove_flows(ALICE, [scene.flow(second)])
        await scene.bind(third)
