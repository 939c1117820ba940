"""Where the other transceivers of this cluster are: transceiver id → signalling URL."""

import asyncio
from collections.abc import Sequence
from typing import Final

import grpc
import structlog
from offhook_proto.route.v1 import route_pb2, route_pb2_grpc

from offhook.service.discovery import watch_targets
from offhook.service.discovery_health import DiscoveryHealth

_log = structlog.get_logger(__name__)

_CHANNEL_OPTIONS: Final = (
    # Channels that share connections also share gRPC's own back-off, which grows to minutes.
    ("grpc.use_local_subchannel_pool", 1),
    # Peers are inside; a proxy named in the environment is for the outside.
    ("grpc.enable_http_proxy", 0),
)


class PeerDirectory:
    """Asks every discovered transceiver who it is.

    An answer is kept until its id is asked for and the peer has moved: a miss asks all targets again, at most once per
    `refresh_interval_s`, so that ids nobody owns cannot be used to make us ask forever.

    Args:
        targets: route_listen of the transceivers, as in the configuration.
        refresh_interval_s: least time between two rounds of questions.
        discovery: told how discovery of them fares.
    """

    def __init__(
        self, targets: Sequence[str], *, refresh_interval_s: float = 0.5, discovery: DiscoveryHealth | None = None
    ) -> None:
        self._targets = targets
        self._discovery = discovery
        self._refresh_interval_s = refresh_interval_s
        self._found: frozenset[str] = frozenset()
        self._urls: dict[int, str] = {}
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def follow(self) -> None:
        """Follows discovery; runs until cancelled."""
        async for found in watch_targets(self._targets, health=self._discovery):
            self._found = found

    async def signalling_url(self, transceiver_id: int) -> str | None:
        """Base URL of a peer's API, or None if no peer has this id."""
        if transceiver_id not in self._urls:
            async with self._asking:
                if transceiver_id not in self._urls:
                    await self._ask_all()
        return self._urls.get(transceiver_id)

    async def _ask_all(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._asked_at < self._refresh_interval_s:
            return
        answers = await asyncio.gather(*(_identify(target) for target in self._found))
        self._asked_at = asyncio.get_running_loop().time()
        self._urls = {answer.transceiver_id: answer.signalling_url for answer in answers if answer is not None}

    def forget(self, transceiver_id: int) -> None:
        """Drops an answer that turned out stale: the peer could not be reached where it was."""
        self._urls.pop(transceiver_id, None)


async def _identify(target: str) -> route_pb2.Transceiver | None:
    async with grpc.aio.insecure_channel(target, _CHANNEL_OPTIONS) as channel:
        try:
            answer = await route_pb2_grpc.RouteServiceStub(channel).Identify(route_pb2.IdentifyRequest(), timeout=2.0)
        except grpc.aio.AioRpcError as error:
            _log.info("a transceiver did not say who it is", target=target, status=error.code().name)
            return None
    return answer.transceiver
