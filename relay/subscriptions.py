"""One subscription per discovered transceiver."""

import asyncio
from collections.abc import Sequence

import structlog

from offhook.service.discovery import watch_targets
from offhook.service.discovery_health import DiscoveryHealth
from relay.engine.interface import Engine
from relay.route_client import Patience, RouteClient, Subscriber
from relay.route_state import RouteState

_log = structlog.get_logger(__name__)


class Subscriptions:
    """Follows discovery: a new target gets a subscription, one that is gone loses its own.

    Args:
        targets: as the configuration names them.
        engine: told of transceivers and flows.
        cluster_id: transceivers of other clusters are refused.
        subscriber: who asks.
        patience: with broken streams.
        interval_s: how often names are resolved.
        discovery: told how that fares.
    """

    def __init__(
        self,
        targets: Sequence[str],
        engine: Engine,
        cluster_id: int,
        subscriber: Subscriber,
        patience: Patience,
        *,
        interval_s: float = 5.0,
        discovery: DiscoveryHealth | None = None,
    ) -> None:
        self._targets = targets
        self._engine = engine
        self._cluster_id = cluster_id
        self._subscriber = subscriber
        self._patience = patience
        self._interval_s = interval_s
        self._discovery = discovery
        self._states: set[RouteState] = set()
        self._clients: dict[str, RouteClient] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._streams_of_retired = 0
        self._retired_has_synced = False
        self._discovered = asyncio.Event()

    @property
    def clients(self) -> Sequence[RouteClient]:
        """One per target."""
        return tuple(self._clients.values())

    @property
    def streams_opened(self) -> int:
        """Streams opened since the start, to whomever."""
        return self._streams_of_retired + sum(client.streams_opened for client in self._clients.values())

    @property
    def has_synced(self) -> bool:
        """Whether any transceiver has ever sent its snapshot."""
        return self._retired_has_synced or any(client.first_snapshot.is_set() for client in self._clients.values())

    async def first_snapshots(self) -> None:
        """Returns once every transceiver discovered at first has sent its snapshot; bound it with a timeout."""
        await self._discovered.wait()
        await asyncio.gather(*(client.first_snapshot.wait() for client in self.clients))

    async def run(self) -> None:
        """Follows discovery until cancelled. A fault of ours in any subscription ends it, as an ExceptionGroup."""
        async with asyncio.TaskGroup() as group:
            async for found in watch_targets(self._targets, self._interval_s, health=self._discovery):
                for target in self._clients.keys() - found:
                    self._unsubscribe(target, group)
                for target in found - self._clients.keys():
                    self._subscribe(target, group)
                self._discovered.set()

    def _subscribe(self, target: str, group: asyncio.TaskGroup) -> None:
        state = RouteState(self._engine, self._cluster_id, self._states)
        client = RouteClient(target, state, self._subscriber, self._patience)
        self._states.add(state)
        self._clients[target] = client
        self._tasks[target] = group.create_task(client.run(), name=f"flow sync of {target}")

    def _unsubscribe(self, target: str, group: asyncio.TaskGroup) -> None:
        _log.info("transceiver left discovery", target=target)
        self._tasks.pop(target).cancel()
        client = self._clients.pop(target)
        self._streams_of_retired += client.streams_opened
        self._retired_has_synced |= client.first_snapshot.is_set()
        group.create_task(self._retire(client), name=f"leave of {target}")

    async def _retire(self, client: RouteClient) -> None:
        await client.retire()
        self._states.discard(client.state)
