"""RouteService over gRPC: serves the flow log to relays, and this process's identity to other transceivers."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Collection, Iterable

import grpc
import structlog
from offhook_proto.route.v1 import route_pb2, route_pb2_grpc

from transceiver.media_port.interface import Path
from transceiver.routes.flow_log import FlowLog
from transceiver.routes.relay_registry import RelayRegistry
from transceiver.session.session import Session
from wire.address import Address

_log = structlog.get_logger(__name__)

_Context = grpc.aio.ServicerContext[route_pb2.SyncRequest, route_pb2.SyncResponse]

MOST_ANNOUNCED = 8
"""Public addresses of one relay that are taken note of: its ports, in both IP versions."""


class RouteService(route_pb2_grpc.RouteServiceServicer):
    """Thin shell around FlowLog and RelayRegistry.

    Args:
        flow_log: the versioned state; call `flows_changed` after changing it.
        relays: who may send datagrams here.
        accept_relays: told the addresses of all accepted relays whenever they change.
        announced: told where clients reach the connected relays whenever that changes.
        batch_interval_s: how long changes gather before they are sent.
        heartbeat_interval_s: silence after which a heartbeat goes out.
    """

    def __init__(
        self,
        flow_log: FlowLog,
        relays: RelayRegistry,
        accept_relays: Callable[[Collection[Address]], None],
        announced: Callable[[Collection[Address]], None] = lambda addresses: None,
        *,
        batch_interval_s: float = 0.005,
        heartbeat_interval_s: float = 1.0,
    ) -> None:
        self._log = flow_log
        self._relays = relays
        self._accept_relays = accept_relays
        self._announced = announced
        self._batch_interval_s = batch_interval_s
        self._heartbeat_interval_s = heartbeat_interval_s
        self._changed = asyncio.Event()

    # FlowListener of the session hub

    def flow_bound(self, session: Session, path: Path, ssrcs: Collection[int], selected: bool) -> None:
        """`session` proved itself over `path`, or what is known of it changed."""
        self._log.upsert(path, ssrcs, selected=selected)
        self.changed()

    def flow_unbound(self, path: Path) -> None:
        """`path` no longer belongs to a session."""
        self._log.remove(path)
        self.changed()

    def set_draining(self) -> None:
        """Tells every relay and peer that no new call is taken here."""
        self._log.set_draining()
        self.changed()

    def changed(self) -> None:
        """Wakes every stream: the flow log has something new."""
        # Every stream waits on the same event; a fresh one is made for the next change.
        self._changed.set()
        self._changed = asyncio.Event()

    # RPCs

    async def Identify(  # noqa: N802 - the name is the RPC's
        self,
        request: route_pb2.IdentifyRequest,
        context: grpc.aio.ServicerContext[route_pb2.IdentifyRequest, route_pb2.IdentifyResponse],
    ) -> route_pb2.IdentifyResponse:
        """Who answers here."""
        return route_pb2.IdentifyResponse(transceiver=self._log.transceiver)

    async def Sync(
        self, request_iterator: AsyncIterator[route_pb2.SyncRequest], context: _Context
    ) -> AsyncIterator[route_pb2.SyncResponse]:
        """Serves one relay until its stream ends."""
        subscribe = await _first_subscribe(request_iterator, context)
        key = (subscribe.relay_id, subscribe.relay_incarnation)
        addresses = await _addresses(subscribe.upstream_addresses, context)
        if not self._relays.joined(*key, addresses):
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many relays are subscribed")
        self._accept_relays(self._relays.addresses())
        _log.info("relay subscribed", relay=subscribe.relay_id, resuming=subscribe.HasField("resume"))
        listening = asyncio.ensure_future(self._listen(key, request_iterator, context))
        try:
            async for response in self._responses(subscribe):
                if listening.done():
                    return
                yield response
        finally:
            listening.cancel()
            self._relays.left(*key, asyncio.get_running_loop().time())
            self._announced(self._relays.public_addresses())
            _log.info("relay left", relay=subscribe.relay_id)

    async def _listen(
        self, key: tuple[str, int], requests: AsyncIterator[route_pb2.SyncRequest], context: _Context
    ) -> None:
        """Takes what the relay says until it closes its half.

        Acknowledgements are not kept: gRPC's own flow control paces the stream, and a relay's place in the log lives in
        the stream that serves it.
        """
        async for request in requests:
            if request.WhichOneof("message") == "announce":
                addresses = await _addresses(request.announce.public_addresses[:MOST_ANNOUNCED], context)
                self._relays.announced(*key, addresses)
                self._announced(self._relays.public_addresses())

    async def _responses(self, subscribe: route_pb2.Subscribe) -> AsyncIterator[route_pb2.SyncResponse]:
        version: int | None = None
        if subscribe.HasField("resume") and self._log.can_resume(subscribe.resume):
            version = subscribe.resume.version
        while True:
            changes = None if version is None else self._log.changes_since(version)
            if changes is None:
                for snapshot in self._log.snapshot():
                    version = snapshot.version
                    yield route_pb2.SyncResponse(snapshot=snapshot)
            elif changes.changes:
                version = changes.to_version
                yield route_pb2.SyncResponse(changes=changes)
            elif await self._changed_within(self._heartbeat_interval_s):
                await asyncio.sleep(self._batch_interval_s)
            else:
                # The version that this stream is at: the log may have gone on since the wait ended.
                yield route_pb2.SyncResponse(heartbeat=route_pb2.Heartbeat(version=changes.to_version))

    async def _changed_within(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def expire_relays(self) -> None:
        """Withdraws the addresses of relays that are gone for good; runs until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            if self._relays.expire(loop.time()):
                self._accept_relays(self._relays.addresses())


async def _first_subscribe(requests: AsyncIterator[route_pb2.SyncRequest], context: _Context) -> route_pb2.Subscribe:
    first = await anext(requests, None)
    if first is None or first.WhichOneof("message") != "subscribe":
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message of Sync must be Subscribe")
    assert first is not None  # abort raises
    return first.subscribe


async def _addresses(said: Iterable[route_pb2.Address], context: _Context) -> list[Address]:
    try:
        return [Address(str(ipaddress.ip_address(address.ip)), address.port) for address in said]
    except ValueError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "an address has 4 or 16 bytes")
