"""One relay process: builds the parts, ties them together, and takes them down in order."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from offhook.service.admin import AdminServer
from offhook.service.background import Background
from offhook.service.discovery_health import DiscoveryHealth
from offhook.service.key_file import watch_key_ring
from offhook.service.lifecycle import run_service, write_ready_file
from offhook.service.logs import configure_logging
from relay.config import RelayConfig
from relay.engine.choice import open_engine
from relay.engine.interface import Engine
from relay.metrics import RelayCollector
from relay.route_client import Patience, Subscriber
from relay.subscriptions import Subscriptions
from wire.address import Address, format_address, parse_address
from wire.ufrag import KeyRing

_log = structlog.get_logger(__name__)

RELEASE_AFTER_S = 30.0
"""A transceiver whose stream is gone this long vouches for nothing: RFC 7675 would end its calls by then, too."""

QUEUES_EMPTY_WITHIN_S = 0.05
"""What the sockets have queued is forwarded by then; a closed one would lose it."""


def run(config: RelayConfig, ready_file: Path | None) -> int:
    """Runs a relay until it is told to stop. Returns the exit code."""
    configure_logging(config.log_level, config.log_format, role="relay", name=config.relay_id)
    return run_service(lambda stop: serve(config, stop, ready_file))


async def serve(config: RelayConfig, stop: asyncio.Event, ready_file: Path | None = None) -> None:
    """Relays until `stop` is set, then goes on for `drain_s` and hands over to the relays that share its addresses.

    The public port is bound last: with SO_REUSEPORT or behind a load balancer packets come at once, and they belong to
    calls that only the snapshots tell about.

    Raises:
        ConfigError: the key file is missing or wrong.
        OSError: an address cannot be bound.
    """
    async with contextlib.AsyncExitStack() as stack:
        relay = _Relay(config, stop, stack)
        if await relay.start(ready_file):
            await relay.work()
            _log.info("draining", drain_s=config.drain_s)
            await asyncio.sleep(config.drain_s)
            relay.hand_over()
            await asyncio.sleep(max(config.handover_s, QUEUES_EMPTY_WITHIN_S))


class _Relay:
    """The parts of one process. What is opened is closed by the exit stack, last first."""

    def __init__(self, config: RelayConfig, stop: asyncio.Event, stack: contextlib.AsyncExitStack) -> None:
        self._config = config
        self._stop = stop
        self._stack = stack
        self._background = Background(stack)
        self._background.start(stop.wait())
        self._discovery = DiscoveryHealth()

    async def start(self, ready_file: Path | None) -> bool:
        """Opens everything. False if told to stop before it was ready."""
        config = self._config
        key_rings = watch_key_ring(config.keys_file)
        keys = await anext(key_rings)
        self._engine: Engine = open_engine(config.engine, config.engine_settings)
        self._stack.push_async_callback(self._engine.close)
        self._use_keys(keys)
        self._subscriptions = Subscriptions(
            config.transceivers,
            self._engine,
            config.cluster_id,
            Subscriber(config.relay_id, secrets.randbits(63), self._engine.upstream_addresses, self._public_addresses),
            Patience(release_s=RELEASE_AFTER_S, forget_s=config.transceiver_lost_s),
            discovery=self._discovery,
        )
        self._background.start(self._follow_keys(key_rings))
        self._background.start(self._subscriptions.run())
        metrics = await self._serve_admin()
        await self._await_snapshots()
        if self._stop.is_set():
            return False
        await self._engine.listen()
        media = [format_address(address) for address in self._engine.listening]
        _log.info("relay is ready", listen=media)
        # Last: whoever waits for the file finds everything else done, the log line included.
        write_ready_file(ready_file, {"media": media, "metrics": f"http://{format_address(metrics)}/metrics"})
        return True

    async def work(self) -> None:
        """Returns when told to stop; raises what ended a part that should not have ended."""
        await self._background.first_to_end(self._stop.wait())

    def hand_over(self) -> None:
        """New packets of clients go to the relays that share the public addresses."""
        _log.info("handing over", handover_s=self._config.handover_s)
        self._engine.hand_over()

    async def _await_snapshots(self) -> None:
        first_snapshots = self._subscriptions.first_snapshots()
        whole = await self._background.first_to_end(first_snapshots, self._config.sync_deadline_s)
        if not whole and not self._stop.is_set():
            _log.warning("not every transceiver has sent its flows; their clients wait for their next check")

    def _public_addresses(self) -> Sequence[Address]:
        """Where clients reach this relay now."""
        if self._stop.is_set() or not self._engine.listening:
            return ()
        advertised = [parse_address(text) for text in self._config.advertise or ()]
        reachable = advertised or self._engine.listening
        return [address for address in reachable if not ip_address(address.host).is_unspecified]

    async def _follow_keys(self, key_rings: AsyncIterator[KeyRing]) -> None:
        async for keys in key_rings:
            self._use_keys(keys)

    def _use_keys(self, keys: KeyRing) -> None:
        self._engine.set_keys(keys)
        self._key_ids = [key.config_id for key in keys.derived_keys()]

    async def _serve_admin(self) -> Address:
        registry = CollectorRegistry()
        registry.register(RelayCollector(self._engine, self._subscriptions, lambda: self._key_ids))
        registry.register(self._discovery)
        admin = AdminServer(parse_address(self._config.admin_listen), registry, self._readiness, self._engine.failure)
        self._stack.push_async_callback(admin.stop)
        return await admin.start()

    def _readiness(self) -> str | None:
        failure = self._engine.failure()
        if failure is not None:
            return failure
        if self._stop.is_set():
            return "draining"
        if not self._engine.listening:
            return "waiting for the transceivers' flows"
        # Only at first: a relay that has lost its streams still forwards every call it knows, and withdrawing it would
        # cut those.
        if not self._subscriptions.has_synced:
            return "no transceiver has connected yet"
        return None
