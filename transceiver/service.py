"""One transceiver process: builds the parts, ties them together, and takes them down in order."""

import asyncio
import contextlib
import gc
import ipaddress
import secrets
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import grpc
import structlog
from offhook_proto.route.v1 import route_pb2, route_pb2_grpc
from prometheus_client import CollectorRegistry

from offhook.service.admin import AdminServer
from offhook.service.background import Background
from offhook.service.discovery_health import DiscoveryHealth
from offhook.service.key_file import watch_key_ring
from offhook.service.lifecycle import run_service, write_ready_file
from offhook.service.logs import configure_logging
from offhook.service.tracing import open_tracing
from transceiver.audio.metrics import AudioCollector
from transceiver.audio.support import open_audio
from transceiver.calls.call_service import CallService
from transceiver.calls.mcp_servers import McpServers
from transceiver.calls.placing import WorkerCalls
from transceiver.candidates import Candidates
from transceiver.config import TransceiverConfig
from transceiver.heap import keep_to_one_arena
from transceiver.hub import SessionHub
from transceiver.hub_timer import HubTimer
from transceiver.loop_watch import LoopWatch
from transceiver.media_port.choice import chosen, open_media_port
from transceiver.media_port.interface import MediaPort
from transceiver.metrics import TransceiverCollector
from transceiver.peers import PeerDirectory
from transceiver.routes.flow_log import FlowLog, address_message
from transceiver.routes.relay_registry import RelayRegistry
from transceiver.routes.route_service import RouteService
from transceiver.session.certificate import Certificate
from transceiver.session.sctp import data_channels_supported
from transceiver.signalling.access.api_keys import ApiKeys
from transceiver.signalling.access.client_secrets import ClientSecrets
from transceiver.signalling.access.plain_http import PlainHttp
from transceiver.signalling.access.principal import Access
from transceiver.signalling.app import make_app
from transceiver.signalling.listeners import HttpListeners
from transceiver.signalling.owner import CallOwner
from transceiver.signalling.shared_port import listeners_at
from transceiver.signalling.tls import ServerTls
from transceiver.turns.metrics import TurnsCollector
from transceiver.turns.turns import start_turns
from transceiver.worker_link.pool import WorkerPool
from wire.address import Address, format_address, parse_address
from wire.ufrag import KeyRing

_log = structlog.get_logger(__name__)

# How long start-up waits for a first worker. Without one, calls are refused with 503 until one comes.
FIRST_WORKER_WITHIN_S = 3.0
# How long the calls that are ended at last may take to tell their clients.
LAST_WORDS_WITHIN_S = 2.0
# And how long, after that, their goodbyes are repeated for clients that may have missed them.
FAREWELL_S = 0.4


def run(config: TransceiverConfig, ready_file: Path | None) -> int:
    """Runs a transceiver until it is told to stop. Returns the exit code."""
    keep_to_one_arena()
    configure_logging(config.log_level, config.log_format, role="transceiver", name=config.name)
    return run_service(lambda stop: serve(config, stop, ready_file, started=_set_apart))


def _set_apart() -> None:
    """Tells the collector that what start-up has made stays.

    It is then not looked through at each full collection, and those come as often as calls leave garbage, not once
    that is a quarter of everything.
    """
    gc.collect()
    gc.freeze()


async def serve(
    config: TransceiverConfig,
    stop: asyncio.Event,
    ready_file: Path | None,
    *,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serves until `stop` is set, then drains. Calls `started` when everything is open.

    Raises:
        ConfigError: a file that the configuration names is missing or wrong.
        OSError: an address cannot be bound.
        Exception: whatever ended a part that should run for as long as the process.
    """
    async with contextlib.AsyncExitStack() as stack:
        transceiver = Transceiver(config, stack)
        ready = await transceiver.start()
        _log.info("transceiver is ready", media_port=chosen(config.media_port))
        started()
        # Last: whoever waits for the file finds everything else done, the log line included.
        write_ready_file(ready_file, ready)
        await transceiver.work(stop)
        await transceiver.drain()


class Transceiver:
    """The parts of one process. What is opened is closed by the exit stack, last first.

    Args:
        config: as read from the file.
        stack: owns everything that has to be closed.
    """

    def __init__(self, config: TransceiverConfig, stack: contextlib.AsyncExitStack) -> None:
        self._config = config
        self._stack = stack
        self._draining = False
        self._background = Background(stack)
        self._discovery = DiscoveryHealth()

    async def start(self) -> dict[str, object]:
        """Opens everything. Returns the content of the ready file."""
        config = self._config
        key_rings = watch_key_ring(config.keys_file)
        keys = await anext(key_rings)
        port = await open_media_port(config.media_port, parse_address(config.media_listen), config.media_dscp)
        self._stack.callback(port.close)
        public_socket = self._bind(config.http_listen)
        peer_socket = self._bind(config.peer_listen)
        peer_url = config.peer_url or f"http://{format_address(_bound(peer_socket))}"

        self._open_routes(port, peer_url)
        self._open_sessions(port, keys)
        self._background.start(self._follow_keys(key_rings))
        self._open_audio()
        self._open_turns()
        await self._open_workers()
        await self._serve_routes()
        await self._serve_http(public_socket, peer_socket)
        admin = await self._serve_admin(port)
        return {
            "http": peer_url,
            "media": format_address(port.address),
            "metrics": f"http://{format_address(admin)}/metrics",
        }

    def _open_routes(self, port: MediaPort, peer_url: str) -> None:
        config = self._config
        media_address = parse_address(config.media_address) if config.media_address else port.address
        self._flow_log = FlowLog(
            route_pb2.Transceiver(
                cluster_id=config.cluster_id,
                transceiver_id=config.transceiver_id,
                incarnation=secrets.randbits(63) + 1,
                media_address=address_message(media_address),
                signalling_url=peer_url,
            )
        )
        networks = [ipaddress.ip_network(text) for text in config.relay_networks]

        def accept_relays(addresses: Collection[Address]) -> None:
            port.accept_relays(addresses, networks)

        accept_relays(())
        self._relays = RelayRegistry(grace_s=config.relay_grace_s)
        self._candidates = Candidates(config.candidates, discovery=self._discovery)
        self._background.start(self._candidates.follow())
        self._routes = RouteService(self._flow_log, self._relays, accept_relays, self._candidates.announced)

    def _open_sessions(self, port: MediaPort, keys: KeyRing) -> None:
        config = self._config
        timer = HubTimer()
        self._stack.callback(timer.cancel)
        self._hub = SessionHub(
            port,
            self._routes,
            keys=keys,
            cluster_id=config.cluster_id,
            transceiver_id=config.transceiver_id,
            certificate=Certificate(),
            candidates=self._candidates.draw,
            limits=config.limits,
            max_sessions=config.max_sessions,
            max_connecting=config.max_connecting,
            arm=timer.arm,
            data_channels=data_channels_supported(),
        )
        timer.attach(self._hub)

    def _open_audio(self) -> None:
        self._audio = open_audio(self._config.audio)
        self._stack.callback(self._audio.close)

    def _open_turns(self) -> None:
        self._turns = start_turns(self._config.models_dir, asyncio.get_running_loop())
        self._stack.callback(self._turns.close)

    async def _open_workers(self) -> None:
        config = self._config
        settings = config.worker_link.model_copy(update={"output_credit_ms": config.limits.playout_buffer_ms})
        self._workers = WorkerPool(config.workers, config.name, settings, discovery=self._discovery)
        self._stack.push_async_callback(self._workers.stop)
        self._background.start(self._workers.follow())
        tracing = open_tracing(config.tracing, role="transceiver", name=config.name)
        self._stack.push_async_callback(tracing.close)
        self._calls = CallService(
            self._hub,
            WorkerCalls(
                self._workers,
                audio=self._audio,
                turns=self._turns,
                limits=config.limits,
                mcp=McpServers(config.mcp_servers),
            ),
            default_model=config.default_model,
            aliases=config.model_aliases,
            max_sockets=config.max_sessions,
            tracing=tracing,
        )
        if config.workers and not await self._background.first_to_end(
            self._workers.wait_ready(), FIRST_WORKER_WITHIN_S
        ):
            _log.warning("no worker has answered yet; calls for their models get 503 until one does")

    async def _serve_routes(self) -> None:
        server = grpc.aio.server()
        route_pb2_grpc.add_RouteServiceServicer_to_server(self._routes, server)
        try:
            server.add_insecure_port(self._config.route_listen)
        except RuntimeError as error:
            raise OSError(f"route_listen: cannot listen on {self._config.route_listen}") from error
        await server.start()
        self._stack.push_async_callback(server.stop, 0.5)
        self._background.start(self._routes.expire_relays())

    async def _serve_http(self, public: socket.socket, peer: socket.socket) -> None:
        config = self._config
        peers = PeerDirectory(config.peers, discovery=self._discovery)
        self._background.start(peers.follow())
        owner = CallOwner(lambda: self._hub.keys, config.cluster_id, config.transceiver_id, peers)
        self._stack.push_async_callback(owner.close)
        app = make_app(
            self._calls,
            self._access(inner=_bound(peer)),
            owner,
            cors_origins=config.cors_origins,
            max_body_bytes=config.max_offer_bytes,
        )
        listeners = HttpListeners(
            app, max_connections=config.max_http_connections, headers_within_s=config.http_headers_timeout_s
        )
        self._http = listeners
        await listeners.open()
        self._stack.push_async_callback(listeners.close)
        self._public_address = _bound(public)
        self._public_listener = await listeners.listen(public, bounded=True, tls=self._tls())
        await listeners.listen(peer, bounded=False)

    def _access(self, *, inner: Address) -> Access:
        config = self._config
        path = config.client_secret_keys_file
        secrets = ClientSecrets(path, time.time) if path is not None else None
        plain_http = PlainHttp(config.plain_http_networks, inner)
        return Access(ApiKeys(config.api_keys_file), secrets, plain_http, config.request_rates, time.monotonic)

    def _tls(self) -> ssl.SSLContext | None:
        certificate, key = self._config.tls_certificate_file, self._config.tls_key_file
        if certificate is None or key is None:
            return None
        tls = ServerTls(certificate, key)
        self._background.start(tls.follow())
        return tls.context

    async def _serve_admin(self, port: MediaPort) -> Address:
        loop = LoopWatch()
        self._stack.callback(loop.cancel)
        registry = CollectorRegistry()
        registry.register(
            TransceiverCollector(
                port=port,
                hub=self._hub,
                calls=self._calls,
                flows=self._flow_log,
                relays=self._relays,
                workers=self._workers,
                loop=loop,
                http=self._http,
            )
        )
        registry.register(AudioCollector(self._audio))
        registry.register(TurnsCollector(self._turns))
        registry.register(self._discovery)
        admin = AdminServer(
            parse_address(self._config.admin_listen),
            registry,
            self._readiness,
            call_report=self._calls.quality.fields_of,
        )
        address = await admin.start()
        self._stack.push_async_callback(admin.stop)
        return address

    def _readiness(self) -> str | None:
        if self._draining:
            return "draining"
        if self._relays.connected == 0 and not self._config.relay_networks:
            return "no relay has subscribed yet"
        return None

    async def work(self, stop: asyncio.Event) -> None:
        """Returns when told to stop; raises what ended a part that should not have ended."""
        await self._background.first_to_end(stop.wait())

    async def drain(self) -> None:
        """Takes no new call, lets calls end by themselves for `drain_s`, then ends them in order."""
        self._draining = True
        self._calls.stop_admitting()
        self._routes.set_draining()
        await self._leave_shared_port()
        await self._idle_within(self._config.drain_s)
        _log.info("ending the calls that are left", calls=len(self._calls))
        self._calls.shut_down()
        await self._idle_within(LAST_WORDS_WITHIN_S)
        if self._hub.parting:
            await asyncio.sleep(FAREWELL_S)

    async def _idle_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._calls.idle()

    async def _leave_shared_port(self) -> None:
        """Lets new connections to a public port go to the others that listen there. Nobody else there: goes on.

        Requests for calls of this process still come, from the others, to the peer address.
        """
        if listeners_at(self._public_address) > 1:
            _log.info("leaving the public port to the others that share it")
            self._public_listener.close()

    async def _follow_keys(self, key_rings: AsyncIterator[KeyRing]) -> None:
        async for keys in key_rings:
            self._hub.keys = keys
            for key_id, calls in self._hub.sessions_by_key().items():
                if key_id not in keys.config_ids:
                    _log.warning(
                        "a routing key is retired under calls, whose consent will expire", key=key_id, calls=calls
                    )

    def _bind(self, listen: str) -> socket.socket:
        """A listening TCP socket that other transceivers of this machine may share."""
        address = parse_address(listen)
        bound = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
        self._stack.callback(bound.close)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(tuple(address))
        return bound


def _bound(listening: socket.socket) -> Address:
    host, port, *_ = listening.getsockname()
    return Address(host, port)
