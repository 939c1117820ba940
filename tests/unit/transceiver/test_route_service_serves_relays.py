"""Flow sync over real gRPC, from the transceiver's side."""

import asyncio
from collections.abc import AsyncIterator, Collection
from pathlib import Path as FilePath

import grpc
import pytest
from offhook_proto.route.v1 import route_pb2, route_pb2_grpc

from transceiver.media_port.interface import Path
from transceiver.routes.flow_log import FlowLog
from transceiver.routes.relay_registry import RelayRegistry
from transceiver.routes.route_service import RouteService
from wire.address import Address

INCARNATION = 99
RELAY = Address("127.0.0.1", 40_001)
PATH = Path(Address("127.0.0.1", 5000), Address("127.0.0.1", 3478))
OTHER_PATH = Path(Address("127.0.0.1", 5001), Address("127.0.0.1", 3478))


class Relay:
    """A relay's end of one Sync stream."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.aio.insecure_channel(target)
        self._stream = route_pb2_grpc.RouteServiceStub(self._channel).Sync()

    async def subscribe(self, resume: route_pb2.Resume | None = None) -> None:
        await self.send(
            route_pb2.SyncRequest(
                subscribe=route_pb2.Subscribe(
                    relay_id="relay-1",
                    relay_incarnation=7,
                    upstream_addresses=[route_pb2.Address(ip=bytes([127, 0, 0, 1]), port=RELAY.port)],
                    resume=resume,
                )
            )
        )

    async def send(self, request: route_pb2.SyncRequest) -> None:
        await self._stream.write(request)

    async def next(self, kind: str) -> route_pb2.SyncResponse:
        """The next message of a kind; heartbeats in between are skipped."""
        async with asyncio.timeout(5):
            while True:
                response = await self._stream.read()
                assert isinstance(response, route_pb2.SyncResponse), "the stream ended"
                if response.WhichOneof("message") == kind:
                    return response
                assert response.WhichOneof("message") == "heartbeat"

    async def status(self) -> grpc.StatusCode:
        """How the stream ended."""
        async with asyncio.timeout(5):
            code: grpc.StatusCode = await self._stream.code()
            return code

    async def close(self) -> None:
        await self._channel.close()


class Transceiver:
    """A RouteService behind a real server."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.log = FlowLog(route_pb2.Transceiver(cluster_id=1, transceiver_id=2, incarnation=INCARNATION))
        self.accepted: set[Address] = set()
        self.service = RouteService(self.log, RelayRegistry(grace_s=60), self._accept, heartbeat_interval_s=0.05)

    def _accept(self, addresses: Collection[Address]) -> None:
        self.accepted = set(addresses)

    def bound(self, path: Path) -> None:
        self.log.upsert(path, (), selected=True)
        self.service.changed()


@pytest.fixture
async def transceiver(tmp_path: FilePath) -> AsyncIterator[Transceiver]:
    transceiver = Transceiver(f"unix:{tmp_path}/route.sock")
    server = grpc.aio.server()
    route_pb2_grpc.add_RouteServiceServicer_to_server(transceiver.service, server)
    server.add_insecure_port(transceiver.target)
    await server.start()
    yield transceiver
    await server.stop(0)


@pytest.fixture
async def relay(transceiver: Transceiver) -> AsyncIterator[Relay]:
    relay = Relay(transceiver.target)
    yield relay
    await relay.close()


async def test_a_subscriber_gets_everything_then_every_change(transceiver: Transceiver, relay: Relay) -> None:
    transceiver.bound(PATH)
    await relay.subscribe()
    snapshot = (await relay.next("snapshot")).snapshot
    assert snapshot.complete
    assert snapshot.transceiver.transceiver_id == 2
    assert [flow.key.client.port for flow in snapshot.flows] == [PATH.client.port]
    transceiver.bound(OTHER_PATH)
    changes = (await relay.next("changes")).changes
    assert changes.from_version == snapshot.version
    assert [change.upsert.key.client.port for change in changes.changes] == [OTHER_PATH.client.port]


async def test_a_quiet_stream_has_heartbeats(transceiver: Transceiver, relay: Relay) -> None:
    await relay.subscribe()
    await relay.next("snapshot")
    assert (await relay.next("heartbeat")).heartbeat.version == transceiver.log.version


async def test_a_broken_stream_resumes_without_a_snapshot(transceiver: Transceiver, relay: Relay) -> None:
    await relay.subscribe()
    version = (await relay.next("snapshot")).snapshot.version
    await relay.close()
    transceiver.bound(PATH)
    again = Relay(transceiver.target)
    await again.subscribe(route_pb2.Resume(transceiver_incarnation=INCARNATION, version=version))
    changes = (await again.next("changes")).changes
    assert changes.from_version == version
    await again.close()


async def test_another_incarnation_gets_a_snapshot(transceiver: Transceiver, relay: Relay) -> None:
    await relay.subscribe(route_pb2.Resume(transceiver_incarnation=INCARNATION - 1, version=1))
    assert (await relay.next("snapshot")).snapshot.complete


async def test_a_subscribers_datagrams_are_accepted(transceiver: Transceiver, relay: Relay) -> None:
    assert not transceiver.accepted
    await relay.subscribe()
    await relay.next("snapshot")
    assert transceiver.accepted == {RELAY}


async def test_draining_is_told_at_once(transceiver: Transceiver, relay: Relay) -> None:
    await relay.subscribe()
    await relay.next("snapshot")
    transceiver.service.set_draining()
    (change,) = (await relay.next("changes")).changes.changes
    assert change.transceiver.draining


async def test_a_stream_that_does_not_begin_with_a_subscription_is_refused(relay: Relay) -> None:
    await relay.send(route_pb2.SyncRequest(acknowledge=route_pb2.Acknowledge(version=1)))
    assert await relay.status() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_address_that_is_none_is_refused(relay: Relay) -> None:
    await relay.send(
        route_pb2.SyncRequest(
            subscribe=route_pb2.Subscribe(relay_id="relay-1", upstream_addresses=[route_pb2.Address(ip=b"abc", port=1)])
        )
    )
    assert await relay.status() is grpc.StatusCode.INVALID_ARGUMENT


async def test_anyone_may_ask_who_is_there(transceiver: Transceiver) -> None:
    async with grpc.aio.insecure_channel(transceiver.target) as channel:
        answer = await route_pb2_grpc.RouteServiceStub(channel).Identify(route_pb2.IdentifyRequest(), timeout=5)
    assert answer.transceiver.transceiver_id == 2
