"""One subscription per discovered transceiver."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from offhook.service.discovery import watch_targets
from relay.route_client import Patience, RouteClient, Subscriber
from relay.route_state import RouteState

_log = structlog.get_logger(__name__)


class Subscriptions:
    """Follows discovery: a new target gets a subscription, one that is gone loses its own.

    Args:
        targets: as the configuration names them.
        make_state: a fresh state for one transceiver.
    """

    def __init__(
        self,
        targets: Sequence[str],
        make_state: Callable[[], RouteState],
        subscriber: Subscriber,
        patience: Patience,
    ) -> None:
        self._targets = targets
        self._make_state = make_state
        self._subscriber = subscriber
        self._patience = patience
        self._clients: dict[str, RouteClient] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._discovered = asyncio.Event()

    @property
    def clients(self) -> Sequence[RouteClient]:
        """One per target."""
        return tuple(self._clients.values())

    async def run(self) -> None:
        """Follows discovery until cancelled."""
        try:
            async for found in watch_targets(self._targets):
                for target in found - self._clients.keys():
                    self._subscribe(target)
                for target in self._clients.keys() - found:
                    self._unsubscribe(target)
                self._discovered.set()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _subscribe(self, target: str) -> None:
        client = RouteClient(target, self._make_state(), self._subscriber, self._patience)
        self._clients[target] = client
        self._tasks[target] = asyncio.create_task(client.run(), name=f"flow-sync {target}")

    def _unsubscribe(self, target: str) -> None:
        # Gone from discovery may mean gone, or not ready for a moment: its flows must show life from now on.
        _log.info("transceiver left discovery", target=target)
        self._tasks.pop(target).cancel()
        self._clients.pop(target).state.release()

    async def first_snapshots(self) -> None:
        """Returns once every transceiver discovered at first has sent its snapshot; bound it with a timeout."""
        await self._discovered.wait()
        await asyncio.gather(*(client.first_snapshot.wait() for client in self.clients))
