"""One relay process: builds the parts, ties them together, and takes them down in order."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from offhook.service.admin import AdminServer
from offhook.service.key_file import watch_key_ring
from offhook.service.lifecycle import run_service, write_ready_file
from offhook.service.logs import configure_logging
from relay.config import RelayConfig
from relay.engine.interface import Engine
from relay.engine.python import open_python_engine
from relay.metrics import RelayCollector
from relay.route_client import Patience, Subscriber
from relay.route_state import RouteState
from relay.subscriptions import Subscriptions
from wire.address import format_address, parse_address
from wire.ufrag import KeyRing

_log = structlog.get_logger(__name__)

RELEASE_AFTER_S = 30.0


def run(config: RelayConfig, ready_file: Path | None) -> int:
    """Runs a relay until it is told to stop. Returns the exit code."""
    configure_logging(config.log_level, config.log_format, role="relay", name=config.relay_id)
    return run_service(lambda stop: serve(config, stop, ready_file))


async def serve(config: RelayConfig, stop: asyncio.Event, ready_file: Path | None = None) -> None:
    """Relays until `stop` is set, then goes on for `drain_s`.

    The public port is bound last: with SO_REUSEPORT or behind a load balancer packets come at once, and they belong to
    calls that only the snapshots tell about.

    Raises:
        ConfigError: the key file is missing or wrong.
        OSError: an address cannot be bound.
    """
    async with contextlib.AsyncExitStack() as stack:
        key_rings = watch_key_ring(config.keys_file)
        keys = await anext(key_rings)
        engine = open_python_engine(config.engine_settings)
        stack.push_async_callback(engine.close)
        engine.set_keys(keys)
        _in_background(stack, _follow_keys(engine, key_rings))

        subscriptions = Subscriptions(
            config.transceivers,
            lambda: RouteState(engine, config.cluster_id),
            Subscriber(config.relay_id, secrets.randbits(63), engine.upstream_addresses),
            Patience(release_s=RELEASE_AFTER_S, forget_s=config.transceiver_lost_s),
        )
        _in_background(stack, subscriptions.run())
        relay = _Relay(engine, subscriptions, stop)
        registry = CollectorRegistry()
        registry.register(RelayCollector(engine, subscriptions))
        admin = AdminServer(parse_address(config.admin_listen), registry, relay.readiness)
        admin_address = await admin.start()
        stack.push_async_callback(admin.stop)

        await relay.listen_when_synced(config.sync_deadline_s)
        write_ready_file(
            ready_file,
            {
                "media": [format_address(address) for address in engine.listening],
                "metrics": f"http://{format_address(admin_address)}/metrics",
            },
        )
        await stop.wait()
        _log.info("draining", drain_s=config.drain_s)
        await asyncio.sleep(config.drain_s)


class _Relay:
    def __init__(self, engine: Engine, subscriptions: Subscriptions, stop: asyncio.Event) -> None:
        self._engine = engine
        self._subscriptions = subscriptions
        self._stop = stop

    async def listen_when_synced(self, deadline_s: float) -> None:
        try:
            await asyncio.wait_for(self._subscriptions.first_snapshots(), deadline_s)
        except TimeoutError:
            _log.warning("not every transceiver has sent its flows; their clients wait for their next check")
        await self._engine.listen()
        _log.info("relay is ready")

    def readiness(self) -> str | None:
        if self._stop.is_set():
            return "draining"
        if not self._engine.listening:
            return "waiting for the transceivers' flows"
        if not any(client.state.synced for client in self._subscriptions.clients):
            return "no transceiver is connected"
        return None


async def _follow_keys(engine: Engine, key_rings: AsyncIterator[KeyRing]) -> None:
    async for keys in key_rings:
        engine.set_keys(keys)
        _log.info("routing keys replaced")


def _in_background(stack: contextlib.AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)

    async def cancel() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(cancel)
