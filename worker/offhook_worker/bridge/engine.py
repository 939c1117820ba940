"""One engine: its API, and how full it is, which its metrics tell every second while the worker runs."""

import asyncio
import contextlib
import logging

import aiohttp

from offhook_worker.bridge.engine_load import EngineGauge, EngineState, read_state
from offhook_worker.bridge.settings import HttpServer
from offhook_worker.bridge.upstream import Upstream
from offhook_worker.worker import Load

EVERY_S = 1.0
WITHOUT_EVERY_S = 30.0
"""A server without metrics is asked this seldom: it may have been restarted with them."""
MAX_EXPOSITION_BYTES = 4 * 1024 * 1024

_log = logging.getLogger(__name__)


class Engine:
    """One engine of a cascade. Use it between `start` and `stop`.

    Args:
        role: what it is to the caller: "language model", "recognition", "speech".

    Attributes:
        upstream: its API.
    """

    def __init__(self, role: str, server: HttpServer) -> None:
        self.upstream = Upstream(role, server)
        self._gauge = EngineGauge(server.slots)
        self._watching: asyncio.Task[None] | None = None
        self._tells: bool | None = None

    async def start(self) -> None:
        """Makes its pool of connections, and watches it from now on."""
        await self.upstream.start()
        if self.upstream.server.metrics_address:
            self._watching = asyncio.create_task(self._watch(), name="engine-metrics")

    async def stop(self) -> None:
        """Ends what `start` began."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        await self.upstream.stop()

    def load(self) -> Load:
        """As it was a second ago at most."""
        return self._gauge.load(self.upstream.in_flight, self.upstream.server.connections)

    async def _watch(self) -> None:
        while True:
            state = await self._look()
            if state is not None and not self._gauge.slots:
                self._gauge.slots = await self.upstream.slots()
            self._gauge.update(state)
            if self._tells is not (tells := state is not None):
                self._tells = tells
                what = "is followed by its metrics" if tells else "tells no metrics; its load is that of our requests"
                _log.info("the %s server %s", self.upstream.role, what)
            await asyncio.sleep(EVERY_S if tells else WITHOUT_EVERY_S)

    async def _look(self) -> EngineState | None:
        try:
            text = await self.upstream.get_text(self.upstream.server.metrics_address, MAX_EXPOSITION_BYTES)
        except (aiohttp.ClientError, TimeoutError):
            return None
        return read_state(text)
