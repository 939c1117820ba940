"""The HTTP API of one or more transceivers on sockets of 127.0.0.1, with real calls behind it and no worker."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
from aiohttp import web
from aiohttp.typedefs import Handler
from offhook_proto.route.v1 import route_pb2, route_pb2_grpc

from offhook.service.config import new_key_file
from tests.support.transceiver_scene import TransceiverScene
from transceiver.calls.call_service import CallService
from transceiver.calls.placing import WorkerCalls
from transceiver.config import SessionLimits
from transceiver.peers import PeerDirectory
from transceiver.routes.flow_log import FlowLog
from transceiver.routes.relay_registry import RelayRegistry
from transceiver.routes.route_service import RouteService
from transceiver.signalling.access.api_keys import ApiKeys
from transceiver.signalling.access.client_secrets import ClientSecrets
from transceiver.signalling.access.plain_http import PlainHttp
from transceiver.signalling.access.principal import Access
from transceiver.signalling.access.rates import RequestRates
from transceiver.signalling.app import make_app
from transceiver.signalling.owner import CallOwner
from transceiver.worker_link import WorkerPool
from wire.ufrag import KeyRing, RouteKey

KEY = "sk-test"
RIVAL_KEY = "sk-rival"
"""Of another tenant."""
KEYS = KeyRing(RouteKey("A", bytes(range(32))))
CLUSTER_ID = 7
MAX_BODY_BYTES = 65_536


def access_of(directory: Path, unix_time: Callable[[], float], rates: RequestRates | None) -> Access:
    """The keys of `api_keys`, and ephemeral keys sealed with those of a file that is made where there is none."""
    sealing = directory / "client_secret_keys.json"
    if not sealing.exists():
        sealing.write_text(json.dumps(new_key_file()))
    secrets = ClientSecrets(sealing, unix_time)
    return Access(ApiKeys(directory / "api_keys"), secrets, PlainHttp(), rates or RequestRates(), time.monotonic)


class HttpTransceiver:
    """One transceiver's API and identity. Close it by leaving the stack it was opened on.

    Attributes:
        url: base URL of the API.
        calls: behind it.
        requests: what it was asked, as (method, path with query).
        clock_ahead_s: of the clock by which ephemeral keys expire.
    """

    def __init__(
        self,
        transceiver_id: int,
        peers: PeerDirectory,
        directory: Path,
        *,
        timeout_s: float = 10.0,
        request_timeout_s: float = 20.0,
        rates: RequestRates | None = None,
    ) -> None:
        self.transceiver_id = transceiver_id
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        self.clock_ahead_s = 0.0
        self.fabric = TransceiverScene()
        pool = WorkerPool([], f"t{transceiver_id}")
        workers = WorkerCalls(pool, audio=None, turns=None, limits=SessionLimits())
        self.calls = CallService(self.fabric.hub, workers, default_model="loopback")
        self._peers = peers
        self._directory = directory
        self._timeout_s = timeout_s
        self._request_timeout_s = request_timeout_s
        self._rates = rates

    async def open(self, stack: AsyncExitStack) -> "HttpTransceiver":
        """Begins to listen."""
        (self._directory / "api_keys").write_text(f"{KEY}\nrivals {RIVAL_KEY}\n")
        owner = CallOwner(lambda: KEYS, CLUSTER_ID, self.transceiver_id, self._peers, timeout_s=self._timeout_s)
        stack.push_async_callback(owner.close)
        app = make_app(
            self.calls,
            access_of(self._directory, lambda: time.time() + self.clock_ahead_s, self._rates),
            owner,
            cors_origins=["*"],
            max_body_bytes=MAX_BODY_BYTES,
            request_timeout_s=self._request_timeout_s,
        )

        @web.middleware
        async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.requests.append((request.method, request.path_qs))
            return await handler(request)

        app.middlewares.insert(0, record)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return self


@asynccontextmanager
async def route_server(transceiver_id: int, signalling_url: str, listen: str) -> AsyncIterator[grpc.aio.Server]:
    """What peers ask who a transceiver is, at `listen`: the real service, without relays."""
    identity = route_pb2.Transceiver(
        cluster_id=CLUSTER_ID, transceiver_id=transceiver_id, incarnation=1, signalling_url=signalling_url
    )
    service = RouteService(FlowLog(identity), RelayRegistry(grace_s=1.0), lambda addresses: None)
    server = grpc.aio.server()
    route_pb2_grpc.add_RouteServiceServicer_to_server(service, server)
    server.add_insecure_port(listen)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


async def ask(
    method: str, url: str, *, headers: dict[str, str] | None = None, data: bytes | None = None
) -> tuple[int, dict[str, Any]]:
    """Sends one request with the key (unless `headers` bring another); returns the status and the error object."""
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, url, headers={"Authorization": f"Bearer {KEY}", **(headers or {})}, data=data) as answer,
    ):
        body = await answer.json(content_type=None) if answer.content_type == "application/json" else {}
        return answer.status, body.get("error", {})


async def ask_in_bytes(url: str, start: str, *headers: bytes, body: AsyncIterator[bytes] | None = None) -> int:
    """Sends a request that no client library would: `start` is method and path. Returns the status."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"\r\n".join([f"{start} HTTP/1.1".encode(), b"Host: test", *headers, b"", b""]))
        feed = asyncio.ensure_future(_feed(writer, body))
        status_line = await asyncio.wait_for(reader.readline(), 20)
        feed.cancel()
        await asyncio.wait([feed])
        return int(status_line.split()[1])
    finally:
        writer.close()


async def _feed(writer: asyncio.StreamWriter, body: AsyncIterator[bytes] | None) -> None:
    if body is not None:
        async for part in body:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)  # drain does not let others run while there is room
