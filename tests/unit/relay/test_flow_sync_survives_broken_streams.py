"""Subscriptions over real gRPC: streams break, servers die and come back, names change."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from offhook_proto.route.v1 import route_pb2 as pb

from relay.engine.interface import FlowKey
from relay.route_client import Patience, Subscriber
from relay.subscriptions import Subscriptions
from tests.support.relay_scene import ALICE, CLUSTER, SRTP_PACKET, RelayScene
from tests.support.route_server import address_message, route_server, snapshot, upserts
from tests.support.udp_peer import until

PATIENT = Patience(stream_s=30.0, release_s=60.0, forget_s=120.0)


def transceiver(scene: RelayScene, transceiver_id: int = ALICE, incarnation: int = 11) -> pb.Transceiver:
    return pb.Transceiver(
        cluster_id=CLUSTER,
        transceiver_id=transceiver_id,
        incarnation=incarnation,
        media_address=address_message(scene.transceivers[transceiver_id].address),
    )


@asynccontextmanager
async def subscribed(
    scene: RelayScene, targets: Sequence[str], patience: Patience = PATIENT, interval_s: float = 0.01
) -> AsyncIterator[Subscriptions]:
    """A relay's subscriptions to `targets`, running."""
    subscriber = Subscriber("relay-under-test", 4711, scene.engine.upstream_addresses)
    subscriptions = Subscriptions(targets, scene.engine, CLUSTER, subscriber, patience, interval_s=interval_s)
    running = asyncio.create_task(subscriptions.run())
    try:
        yield subscriptions
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"unix:{tmp_path / 'transceiver.sock'}"


async def test_a_relay_says_who_it_is_and_acknowledges_what_it_applied(scene: RelayScene, target: str) -> None:
    flow = scene.flow(await scene.client())
    async with route_server(target) as server, subscribed(scene, [target]) as subscriptions:
        stream = await server.stream()
        assert stream.subscribe.relay_id == "relay-under-test"
        assert stream.subscribe.relay_incarnation == 4711
        expected = [address_message(address) for address in scene.engine.upstream_addresses]
        assert list(stream.subscribe.upstream_addresses) == expected
        assert not stream.subscribe.HasField("resume")
        assert not subscriptions.has_synced
        stream.send(snapshot(transceiver(scene), 5, [flow]))
        assert await stream.acknowledgement() == 5
        await subscriptions.first_snapshots()
        assert subscriptions.has_synced
        stream.send(upserts(5, flow))
        assert await stream.acknowledgement() == 6
        assert scene.engine.flow_count() == 1


async def test_a_broken_stream_resumes_and_no_flow_is_lost_meanwhile(scene: RelayScene, target: str) -> None:
    client, later = await scene.client(), await scene.client()
    async with subscribed(scene, [target]) as subscriptions:
        async with route_server(target) as server:
            stream = await server.stream()
            stream.send(snapshot(transceiver(scene), 5, [scene.flow(client)]))
            assert await stream.acknowledgement() == 5
        # The server is gone; the flow is not.
        await until(lambda: not subscriptions.clients[0].state.synced, "the relay notices")
        client.send(SRTP_PACKET, scene.proxy)
        assert (await scene.arrives(ALICE))[1] == SRTP_PACKET
        async with route_server(target) as server:
            stream = await server.stream()
            assert stream.subscribe.resume == pb.Resume(transceiver_incarnation=11, version=5)
            stream.send(upserts(5, scene.flow(later)))
            assert await stream.acknowledgement() == 6
            assert scene.engine.flow_count() == 2
            assert subscriptions.streams_opened >= 2


async def test_a_stream_ended_in_good_order_is_opened_again(scene: RelayScene, target: str) -> None:
    async with route_server(target) as server, subscribed(scene, [target]):
        for version in range(1, 4):
            stream = await server.stream()
            assert stream.subscribe.resume.version == version - 1
            stream.send(snapshot(transceiver(scene), version))
            stream.end()


async def test_a_silent_stream_counts_as_broken(scene: RelayScene, target: str) -> None:
    patience = PATIENT._replace(stream_s=0.1)
    async with route_server(target) as server, subscribed(scene, [target], patience):
        stream = await server.stream()
        stream.send(snapshot(transceiver(scene), 5))
        assert (await server.stream()).subscribe.resume.version == 5


async def test_after_a_gap_the_next_stream_starts_over(scene: RelayScene, target: str) -> None:
    flow = scene.flow(await scene.client())
    async with route_server(target) as server, subscribed(scene, [target]):
        stream = await server.stream()
        stream.send(snapshot(transceiver(scene), 5))
        stream.send(upserts(7, flow))
        again = await server.stream()
        assert not again.subscribe.HasField("resume")
        again.send(snapshot(transceiver(scene), 8, [flow]))
        assert await again.acknowledgement() == 8
        assert scene.engine.flow_count() == 1


async def test_a_transceiver_lost_for_long_is_forgotten(scene: RelayScene, target: str) -> None:
    flow = scene.flow(await scene.client())
    patience = Patience(stream_s=30.0, release_s=0.01, forget_s=0.02)
    async with subscribed(scene, [target], patience) as subscriptions:
        async with route_server(target) as server:
            stream = await server.stream()
            stream.send(snapshot(transceiver(scene), 5, [flow]))
            assert await stream.acknowledgement() == 5
        await until(lambda: scene.engine.flow_count() == 0, "the transceiver is forgotten")
        assert subscriptions.clients[0].state.transceiver_id is None
        async with route_server(target) as server:
            stream = await server.stream()
            assert not stream.subscribe.HasField("resume")
            stream.send(snapshot(transceiver(scene), 9, [flow]))
            assert await stream.acknowledgement() == 9
            assert scene.engine.flow_count() == 1


async def test_one_dead_transceiver_does_not_hold_up_another(scene: RelayScene, target: str) -> None:
    client = await scene.client()
    async with route_server(target) as server, subscribed(scene, [target, f"{target}.nobody"]) as subscriptions:
        stream = await server.stream()
        stream.send(snapshot(transceiver(scene), 1, [scene.flow(client)]))
        assert await stream.acknowledgement() == 1
        client.send(SRTP_PACKET, scene.proxy)
        assert (await scene.arrives(ALICE))[1] == SRTP_PACKET
        waiting = asyncio.create_task(subscriptions.first_snapshots())
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()


class Dns:
    """Answers for one name; every other look-up is the system's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.hosts: list[str] = []
        self._system = cast("Callable[..., list[object]]", socket.getaddrinfo)

    def getaddrinfo(self, host: object, port: object, *arguments: object, **more: object) -> list[object]:
        if host != self.name:
            return self._system(host, port, *arguments, **more)
        if not self.hosts:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.hosts]


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Dns:
    answers = Dns("transceivers.test")
    monkeypatch.setattr(socket, "getaddrinfo", answers.getaddrinfo)
    return answers


async def test_a_replaced_pod_with_the_same_id_keeps_its_place(scene: RelayScene, dns: Dns) -> None:
    """A stateful pod comes back at another address; the old one's leave must not take the new one's flows."""
    old_host, new_host, port = "127.31.7.1", "127.31.7.2", 7311
    dns.hosts = [old_host]
    client = await scene.client()
    patience = Patience(stream_s=30.0, release_s=0.01, forget_s=0.01)
    async with (
        route_server(f"{old_host}:{port}") as old,
        route_server(f"{new_host}:{port}") as new,
        subscribed(scene, [f"dns:{dns.name}:{port}"], patience) as subscriptions,
    ):
        stream = await old.stream()
        stream.send(snapshot(transceiver(scene), 5, [scene.flow(client)]))
        assert await stream.acknowledgement() == 5
        dns.hosts = [old_host, new_host]
        stream = await new.stream()
        stream.send(snapshot(transceiver(scene, incarnation=12), 3, [scene.flow(client)]))
        assert await stream.acknowledgement() == 3
        dns.hosts = [new_host]
        await until(lambda: len(subscriptions.clients) == 1, "the old one leaves")
        await asyncio.sleep(0.05)  # well beyond forget_s; there is no event for what must not happen
        client.send(SRTP_PACKET, scene.proxy)
        assert (await scene.arrives(ALICE))[1] == SRTP_PACKET
        assert subscriptions.streams_opened == 2


async def test_a_transceiver_that_leaves_discovery_is_forgotten_in_the_end(scene: RelayScene, dns: Dns) -> None:
    host, port = "127.31.7.3", 7313
    dns.hosts = [host]
    flow: FlowKey = scene.flow(await scene.client())
    patience = Patience(stream_s=30.0, release_s=0.01, forget_s=0.01)
    async with (
        route_server(f"{host}:{port}") as server,
        subscribed(scene, [f"dns:{dns.name}:{port}", "127.31.7.4:7314"], patience) as subscriptions,
    ):
        stream = await server.stream()
        stream.send(snapshot(transceiver(scene), 5, [flow]))
        assert await stream.acknowledgement() == 5
        # A name that fails to resolve changes nothing; one that resolves to others does.
        dns.hosts = []
        await asyncio.sleep(0.05)  # several rounds of look-ups; there is no event for what must not happen
        assert (len(subscriptions.clients), scene.engine.flow_count()) == (2, 1)
        dns.hosts = ["127.31.7.5"]
        await until(lambda: scene.engine.flow_count() == 0, "its flows go")
        assert subscriptions.has_synced
