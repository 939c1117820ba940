"""The relay's subscription against the transceiver's own route service: two implementations of one protocol."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path as FilePath

import grpc
from offhook_proto.route.v1 import route_pb2 as pb
from offhook_proto.route.v1.route_pb2_grpc import add_RouteServiceServicer_to_server

from relay.engine.interface import FlowKey
from relay.route_client import Patience, Subscriber
from relay.subscriptions import Subscriptions
from tests.support.relay_scene import ALICE, CLUSTER, SRTP_PACKET, RelayScene
from tests.support.udp_peer import until
from transceiver.media_port.interface import Path
from transceiver.routes.flow_log import FlowLog, address_message
from transceiver.routes.relay_registry import RelayRegistry
from transceiver.routes.route_service import RouteService
from wire.address import Address


class Transceiver:
    """What a transceiver knows about its flows and relays, without calls."""

    def __init__(self, media_address: Address, incarnation: int) -> None:
        identity = pb.Transceiver(
            cluster_id=CLUSTER,
            transceiver_id=ALICE,
            incarnation=incarnation,
            media_address=address_message(media_address),
        )
        self.accepted: Collection[Address] = ()
        self.candidates: Collection[Address] = ()
        self.log = FlowLog(identity, max_changes=4)
        self.routes = RouteService(
            self.log,
            RelayRegistry(grace_s=60.0),
            self._accept,
            self._announced,
            batch_interval_s=0.001,
            heartbeat_interval_s=0.05,
        )

    def bind(self, flow: FlowKey) -> None:
        """A session proved itself."""
        self.log.upsert(Path(*flow), [4711], selected=True)
        self.routes.changed()

    def _accept(self, addresses: Collection[Address]) -> None:
        self.accepted = addresses

    def _announced(self, addresses: Collection[Address]) -> None:
        self.candidates = addresses

    @asynccontextmanager
    async def serving(self, target: str) -> AsyncIterator[None]:
        server = grpc.aio.server()
        add_RouteServiceServicer_to_server(self.routes, server)
        server.add_insecure_port(target)
        await server.start()
        try:
            yield
        finally:
            await server.stop(None)


@asynccontextmanager
async def subscribed(
    scene: RelayScene, target: str, public: Callable[[], Sequence[Address]] = tuple
) -> AsyncIterator[Subscriptions]:
    subscriptions = Subscriptions(
        [target],
        scene.engine,
        CLUSTER,
        Subscriber("relay-under-test", 1, scene.engine.upstream_addresses, public),
        Patience(release_s=600.0, forget_s=600.0),
    )
    running = asyncio.create_task(subscriptions.run())
    try:
        yield subscriptions
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_a_flow_bound_before_or_after_the_relay_came_is_forwarded(scene: RelayScene, tmp_path: FilePath) -> None:
    target = f"unix:{tmp_path / 'transceiver.sock'}"
    early, late = await scene.client(), await scene.client()
    alice = Transceiver(scene.transceivers[ALICE].address, incarnation=1)
    alice.bind(scene.flow(early))
    async with alice.serving(target), subscribed(scene, target) as subscriptions:
        await subscriptions.first_snapshots()
        assert set(alice.accepted) == set(scene.engine.upstream_addresses)
        alice.bind(scene.flow(late))
        await until(lambda: scene.engine.flow_count() == 2, "the change arrives")
        for client in (early, late):
            client.send(SRTP_PACKET, scene.proxy)
            assert (await scene.arrives(ALICE))[0].client == client.address
        alice.routes.flow_unbound(Path(*scene.flow(early)))
        await until(lambda: scene.engine.flow_count() == 1, "the flow is taken back")
        alice.routes.set_draining()
        await until(lambda: subscriptions.clients[0].state.draining, "draining is known")
        assert scene.engine.flow_count() == 1


async def test_changes_missed_while_the_stream_was_broken_are_made_up(scene: RelayScene, tmp_path: FilePath) -> None:
    target = f"unix:{tmp_path / 'transceiver.sock'}"
    clients = [await scene.client() for _ in range(8)]
    alice = Transceiver(scene.transceivers[ALICE].address, incarnation=1)
    async with subscribed(scene, target) as subscriptions:
        # Two changes fit the log and are resumed from; six do not, and a snapshot follows.
        for missed in (clients[:2], clients[2:]):
            async with alice.serving(target):
                await until(lambda: bool(subscriptions.clients) and subscriptions.clients[0].state.synced, "synced")
            for client in missed:
                alice.bind(scene.flow(client))
            async with alice.serving(target):
                await until(lambda: scene.engine.flow_count() == len(alice.log), "made up")


async def test_a_restarted_transceiver_has_no_flows(scene: RelayScene, tmp_path: FilePath) -> None:
    target = f"unix:{tmp_path / 'transceiver.sock'}"
    client = await scene.client()
    before = Transceiver(scene.transceivers[ALICE].address, incarnation=1)
    before.bind(scene.flow(client))
    async with subscribed(scene, target) as subscriptions:
        async with before.serving(target):
            await until(lambda: scene.engine.flow_count() == 1, "synced")
        async with Transceiver(scene.transceivers[ALICE].address, incarnation=2).serving(target):
            await until(lambda: scene.engine.flow_count() == 0, "its flows are void")
            await until(lambda: subscriptions.clients[0].state.synced, "synced again")


async def test_a_relay_is_a_candidate_while_it_takes_packets(scene: RelayScene, tmp_path: FilePath) -> None:
    target = f"unix:{tmp_path / 'transceiver.sock'}"
    public: list[Address] = []
    alice = Transceiver(scene.transceivers[ALICE].address, incarnation=1)
    async with alice.serving(target):
        async with subscribed(scene, target, lambda: tuple(public)) as subscriptions:
            await subscriptions.first_snapshots()
            assert not alice.candidates
            public.append(Address("203.0.113.1", 3478))
            await until(lambda: set(alice.candidates) == set(public), "it listens")
            public.clear()
            await until(lambda: not alice.candidates, "it drains")
            public.append(Address("2001:db8::1", 3478))
            await until(lambda: set(alice.candidates) == set(public), "it is back")
        await until(lambda: not alice.candidates, "its stream has ended")
