"""Subscribes to one transceiver's flow sync over gRPC: the thin shell around RouteState."""

import asyncio
import ipaddress
import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import grpc
import structlog
from offhook_proto.route.v1 import route_pb2, route_pb2_grpc

from relay.route_state import RouteState, SyncError
from wire.address import Address

_log = structlog.get_logger(__name__)

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 2.0

_CHANNEL_OPTIONS: Final = (
    # Channels that share connections also share gRPC's own back-off, which grows to minutes.
    ("grpc.use_local_subchannel_pool", 1),
    # Transceivers are inside; a proxy named in the environment is for the outside.
    ("grpc.enable_http_proxy", 0),
)

_Stream = grpc.aio.StreamStreamCall[route_pb2.SyncRequest, route_pb2.SyncResponse]


class Subscriber(NamedTuple):
    """Who subscribes: what a transceiver is told about this relay.

    Attributes:
        relay_id: its stable name.
        incarnation: random per process.
        upstream_addresses: where its datagrams to transceivers come from.
        public_addresses: where clients reach it now: nowhere before it takes packets, nor when it drains.
    """

    relay_id: str
    incarnation: int
    upstream_addresses: Sequence[Address]
    public_addresses: Callable[[], Sequence[Address]] = lambda: ()


class Patience(NamedTuple):
    """How long a transceiver's silence is put up with.

    Attributes:
        release_s: so long after the end of a stream nobody vouches for its flows any more.
        forget_s: so long after the end of a stream the transceiver is forgotten.
        stream_s: nothing for so long, and the stream counts as broken. Heartbeats come every second.
    """

    release_s: float
    forget_s: float
    stream_s: float = 3.0


class RouteClient:
    """Keeps one stream to `target` open for as long as `run` runs.

    Args:
        target: gRPC target.
        state: takes what the stream says.
        subscriber: who asks.
        patience: with a broken stream.
    """

    def __init__(self, target: str, state: RouteState, subscriber: Subscriber, patience: Patience) -> None:
        self._target = target
        self._subscriber = subscriber
        self._patience = patience
        self.state = state
        self.first_snapshot = asyncio.Event()
        self.streams_opened = 0

    async def run(self) -> None:
        """Connects, applies, and connects again; ends only by cancellation."""
        retry_s = FIRST_RETRY_S
        impatience: asyncio.Task[None] | None = None
        try:
            while True:
                applied = await self._stream_once(impatience)
                retry_s = FIRST_RETRY_S if applied else min(retry_s * 2, LONGEST_RETRY_S)
                if impatience is None or applied:
                    impatience = asyncio.create_task(self._lose_patience())
                # Jitter: a transceiver that restarts must not meet all relays at once.
                await asyncio.sleep(retry_s * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
        finally:
            if impatience is not None:
                impatience.cancel()

    async def retire(self) -> None:
        """After `run` has been cancelled because the target left discovery: takes leave of its transceiver.

        It may be gone, or only not ready for a moment; its flows must show life from now on.
        """
        self.state.release()
        await asyncio.sleep(self._patience.forget_s)
        self.state.forget()

    async def _lose_patience(self) -> None:
        await asyncio.sleep(self._patience.release_s)
        self.state.release()
        await asyncio.sleep(max(self._patience.forget_s - self._patience.release_s, 0))
        _log.warning("transceiver forgotten", target=self._target, transceiver=self.state.transceiver_id)
        self.state.forget()

    async def _stream_once(self, impatience: asyncio.Task[None] | None) -> bool:
        """One stream from beginning to end. True if anything of it was applied."""
        applied = False
        try:
            async with grpc.aio.insecure_channel(self._target, _CHANNEL_OPTIONS) as channel:
                stream: _Stream = route_pb2_grpc.RouteServiceStub(channel).Sync()
                await self._write(stream, self._subscribe())
                announced: Sequence[Address] = ()
                while (response := await self._read(stream)) is not None:
                    if not applied and impatience is not None:
                        impatience.cancel()
                    await self._apply(stream, response)
                    applied = True
                    # Heartbeats come every second, so it is told soon enough.
                    if (now_public := self._subscriber.public_addresses()) != announced:
                        await self._write(stream, _announcement(now_public))
                        announced = now_public
            self._log_end("the transceiver closed it")
        except SyncError as error:
            self.state.start_over()
            _log.warning("flow sync starts over", target=self._target, why=str(error))
        except grpc.aio.AioRpcError as error:
            self._log_end(error.code().name)
        except TimeoutError:
            self._log_end("silence")
        except asyncio.InvalidStateError:
            # grpc.aio's word for a write on a call that the other end has finished meanwhile.
            self._log_end("the transceiver closed it")
        finally:
            self.state.lost()
        return applied

    def _log_end(self, why: str) -> None:
        _log.info("flow sync stream ended", target=self._target, why=why)

    def _subscribe(self) -> route_pb2.SyncRequest:
        self.streams_opened += 1
        return route_pb2.SyncRequest(
            subscribe=route_pb2.Subscribe(
                relay_id=self._subscriber.relay_id,
                relay_incarnation=self._subscriber.incarnation,
                upstream_addresses=_messages(self._subscriber.upstream_addresses),
                resume=self.state.resume(),
            )
        )

    async def _apply(self, stream: _Stream, response: route_pb2.SyncResponse) -> None:
        version = self.state.apply(response)
        if version is None:
            return
        if not self.first_snapshot.is_set():
            self.first_snapshot.set()
            _log.info("flow sync is up", target=self._target, transceiver=self.state.transceiver_id)
        await self._write(stream, route_pb2.SyncRequest(acknowledge=route_pb2.Acknowledge(version=version)))

    async def _write(self, stream: _Stream, request: route_pb2.SyncRequest) -> None:
        async with asyncio.timeout(self._patience.stream_s):
            await stream.write(request)

    async def _read(self, stream: _Stream) -> route_pb2.SyncResponse | None:
        """The next message; None at the end of the stream."""
        async with asyncio.timeout(self._patience.stream_s):
            response = await stream.read()
        return response if isinstance(response, route_pb2.SyncResponse) else None


def _announcement(public: Sequence[Address]) -> route_pb2.SyncRequest:
    return route_pb2.SyncRequest(announce=route_pb2.Announce(public_addresses=_messages(public)))


def _messages(addresses: Sequence[Address]) -> list[route_pb2.Address]:
    return [route_pb2.Address(ip=ipaddress.ip_address(address.host).packed, port=address.port) for address in addresses]
