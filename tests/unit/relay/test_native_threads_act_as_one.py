"""The native engine's threads: each knows every flow, busy ones keep order, and all of them end."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from relay.engine.interface import EngineSettings, FlowKey, Listener
from tests.support.relay_scene import ALICE, CLUSTER, DTLS_RECORD, SRTP_PACKET, RelayScene, relay_scene
from wire.address import Address
from wire.spp import encode_header

pytest.importorskip("offhook_datapath", reason="the native module is not built here")
from relay.engine.native import open_native_engine

if TYPE_CHECKING:
    from relay.engine.native import NativeEngine

SOMEWHERE = Address("127.0.0.1", 0)
SETTINGS = EngineSettings(cluster_id=CLUSTER, listeners=[Listener(SOMEWHERE, SOMEWHERE)], upstream=SOMEWHERE, threads=3)


@pytest.fixture
async def gathering() -> AsyncIterator[RelayScene]:
    async with relay_scene("native, three gathering threads") as scene:
        yield scene


async def test_a_proven_flow_is_known_to_every_thread_before_its_check_leaves(gathering: RelayScene) -> None:
    assert len(set(gathering.engine.upstream_addresses)) == 3
    for _ in range(20):  # the kernel spreads them over the threads
        client = await gathering.client()
        await gathering.bind(client)
        envelope = encode_header(client.address, gathering.proxy)
        for number, upstream in enumerate(gathering.engine.upstream_addresses):
            gathering.transceivers[ALICE].send(envelope + bytes([128, number]), upstream)
        received = {(await client.receive()).datagram for _ in gathering.engine.upstream_addresses}
        assert received == {bytes([128, 0]), bytes([128, 1]), bytes([128, 2])}


async def test_mixed_sizes_of_many_flows_keep_each_flows_order(gathering: RelayScene) -> None:
    clients = [await gathering.client() for _ in range(8)]
    for client in clients:
        await gathering.bind(client)
    sent: dict[Address, list[bytes]] = defaultdict(list)
    arrived: dict[Address, list[bytes]] = defaultdict(list)
    for burst in range(10):
        for number in range(20):  # what the default buffer of the transceiver's socket holds
            client = secrets.choice(clients)
            datagram = SRTP_PACKET + bytes([burst, number]) + bytes(secrets.choice([0, 0, 40, 80, 900]))
            client.send(datagram, gathering.proxy)
            sent[client.address].append(datagram)
        for _ in range(20):
            header, datagram = await gathering.arrives(ALICE)
            arrived[header.client].append(datagram)
    assert arrived == sent
    assert gathering.engine.counters().drops.total() == 0


async def test_a_flow_that_shows_life_on_one_thread_lives_on_all() -> None:
    async with relay_scene("native, three gathering threads", unsynced_flow_idle_s=0.4) as scene:
        client = await scene.client()
        await scene.bind(client)
        until_then = asyncio.get_running_loop().time() + 1.2
        while asyncio.get_running_loop().time() < until_then:  # three times the life of a flow that shows none
            await scene.bind(client)
        for upstream in scene.engine.upstream_addresses:
            scene.transceivers[ALICE].send(encode_header(client.address, scene.proxy) + DTLS_RECORD, upstream)
            assert (await client.receive()).datagram == DTLS_RECORD


async def test_a_batch_is_counted_by_its_size(gathering: RelayScene) -> None:
    client = await gathering.client()
    await gathering.bind(client)
    engine: NativeEngine = gathering.engine  # type: ignore[assignment]  # this scene has no other
    reports = engine.thread_reports()
    assert sum(sum(report.batches) for report in reports) == 1
    assert all(len(report.batches) == 10 for report in reports)


async def test_a_closed_engine_keeps_its_counts_and_takes_no_commands() -> None:
    engine = open_native_engine(SETTINGS)
    await engine.listen()
    await engine.close()
    await engine.close()
    assert engine.counters().drops.total() == 0
    with pytest.raises(RuntimeError, match="does not run"):
        engine.remove_transceiver(ALICE)


async def test_an_address_in_use_is_an_oserror_with_its_number() -> None:
    first = open_native_engine(SETTINGS)
    try:
        with pytest.raises(OSError, match="in use") as refused:
            open_native_engine(replace(SETTINGS, upstream=first.upstream_addresses[1]))
        assert refused.value.errno is not None
    finally:
        await first.close()


async def test_a_snapshot_of_many_flows_is_whole_when_it_is_counted() -> None:
    engine = open_native_engine(replace(SETTINGS, max_flows=100_000))
    try:
        proxy = Address("192.0.2.1", 3478)
        flows = [FlowKey(Address(f"10.0.{number >> 8}.{number & 255}", 40_000), proxy) for number in range(20_000)]
        engine.upsert_flows(ALICE, flows)
        engine.replace_flows(ALICE, flows[5_000:])
        assert engine.flow_count() == 15_000
        engine.remove_transceiver(ALICE)
        assert engine.flow_count() == 0
    finally:
        await engine.close()
