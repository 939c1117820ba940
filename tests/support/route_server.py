"""A transceiver's RouteService of which the test is the brain: every stream is taken and answered by hand."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
from offhook_proto.route.v1 import route_pb2 as pb
from offhook_proto.route.v1.route_pb2_grpc import RouteServiceServicer, add_RouteServiceServicer_to_server

from relay.engine.interface import FlowKey
from tests.support.udp_peer import DEADLINE_S
from wire.address import Address


def address_message(address: Address) -> pb.Address:
    return pb.Address(ip=ipaddress.ip_address(address.host).packed, port=address.port)


def key_message(flow: FlowKey) -> pb.FlowKey:
    return pb.FlowKey(
        transport=pb.TRANSPORT_UDP, client=address_message(flow.client), proxy=address_message(flow.proxy)
    )


def snapshot(transceiver: pb.Transceiver, version: int, flows: Sequence[FlowKey] = ()) -> pb.SyncResponse:
    """A whole snapshot in one message."""
    listed = [pb.Flow(key=key_message(flow)) for flow in flows]
    return pb.SyncResponse(snapshot=pb.Snapshot(version=version, transceiver=transceiver, flows=listed, complete=True))


def upserts(from_version: int, *flows: FlowKey) -> pb.SyncResponse:
    """One change per flow."""
    changed = [pb.Change(upsert=pb.Flow(key=key_message(flow))) for flow in flows]
    return pb.SyncResponse(
        changes=pb.Changes(from_version=from_version, to_version=from_version + len(changed), changes=changed)
    )


class RouteStream:
    """One relay's stream.

    Attributes:
        subscribe: what the relay said first.
        version: what was sent last.
    """

    def __init__(self, subscribe: pb.Subscribe) -> None:
        self.subscribe = subscribe
        self.version = 0
        self.outbox: asyncio.Queue[pb.SyncResponse | None] = asyncio.Queue()
        self.acknowledged: asyncio.Queue[int] = asyncio.Queue()

    def send(self, response: pb.SyncResponse) -> None:
        self.outbox.put_nowait(response)

    def end(self) -> None:
        """Ends it in good order."""
        self.outbox.put_nowait(None)

    async def acknowledgement(self) -> int:
        """The next version acknowledged."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.acknowledged.get()


class RouteServer(RouteServiceServicer):
    """Make it with `route_server`."""

    def __init__(self, heartbeat_s: float | None) -> None:
        self._heartbeat_s = heartbeat_s
        self._streams: asyncio.Queue[RouteStream] = asyncio.Queue()

    async def stream(self) -> RouteStream:
        """The next stream that a relay opens."""
        async with asyncio.timeout(DEADLINE_S):
            return await self._streams.get()

    async def Identify(  # noqa: N802 - the name is the RPC's
        self,
        request: pb.IdentifyRequest,
        context: grpc.aio.ServicerContext[pb.IdentifyRequest, pb.IdentifyResponse],
    ) -> pb.IdentifyResponse:
        raise NotImplementedError("relays do not ask this")

    async def Sync(
        self,
        request_iterator: AsyncIterator[pb.SyncRequest],
        context: grpc.aio.ServicerContext[pb.SyncRequest, pb.SyncResponse],
    ) -> AsyncIterator[pb.SyncResponse]:
        first = await anext(aiter(request_iterator))
        stream = RouteStream(first.subscribe)
        self._streams.put_nowait(stream)
        reader = asyncio.create_task(self._read(request_iterator, stream))
        try:
            while (response := await self._next(stream)) is not None:
                yield response
        finally:
            reader.cancel()

    async def _next(self, stream: RouteStream) -> pb.SyncResponse | None:
        """What the test sends next; a heartbeat if that takes long and something has been sent."""
        try:
            async with asyncio.timeout(self._heartbeat_s if stream.version else None):
                response = await stream.outbox.get()
        except TimeoutError:
            return pb.SyncResponse(heartbeat=pb.Heartbeat(version=stream.version))
        if response is not None:
            stream.version = response.snapshot.version or response.changes.to_version
        return response

    async def _read(self, requests: AsyncIterator[pb.SyncRequest], stream: RouteStream) -> None:
        async for request in requests:
            stream.acknowledged.put_nowait(request.acknowledge.version)


@asynccontextmanager
async def route_server(target: str, *, heartbeat_s: float | None = None) -> AsyncIterator[RouteServer]:
    """Serves at `target`, such as "unix:/path" or "127.0.0.1:7000".

    Without `heartbeat_s` nothing is sent but what the test sends.
    """
    servicer = RouteServer(heartbeat_s)
    server = grpc.aio.server()
    add_RouteServiceServicer_to_server(servicer, server)
    server.add_insecure_port(target)
    await server.start()
    try:
        yield servicer
    finally:
        await server.stop(None)
