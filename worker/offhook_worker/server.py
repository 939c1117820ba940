"""Serves a worker over gRPC."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable

import grpc
from offhook_proto.worker.v1 import worker_pb2
from offhook_proto.worker.v1.worker_pb2_grpc import (
    WorkerServiceServicer,
    add_WorkerServiceServicer_to_server,
)

from offhook_worker.counters import WorkerCounters
from offhook_worker.health import HealthService
from offhook_worker.house import House
from offhook_worker.options import ServeOptions
from offhook_worker.reflection import describe
from offhook_worker.tls import server_credentials
from offhook_worker.transceiver_stream import Context, TransceiverStream
from offhook_worker.worker import VoiceWorker

_LOAD_INTERVAL_S = 1.0
_EVICTION_S = 1.0
"""What evicted sessions' code and the last messages get before the process goes."""


class WorkerServer(WorkerServiceServicer):
    """A worker on one address. `run` and `serve` are the usual ways to use it.

    Args:
        address: "127.0.0.1:9000", "[::1]:0" or "unix:/path/socket".
    """

    def __init__(self, worker: VoiceWorker, address: str, options: ServeOptions | None = None) -> None:
        self._options = options or ServeOptions()
        self._house = House(worker, self._options, self._report_load)
        self._name = self._options.name or f"{socket.gethostname()}-{os.getpid()}"
        self._address = address
        self._streams: set[TransceiverStream] = set()
        self._health = HealthService()
        self._server = _grpc_server(self._options)
        self._reporter: asyncio.Task[None] | None = None

    @property
    def counters(self) -> WorkerCounters:
        """Totals since the start."""
        return self._house.counters

    def load_report(self) -> worker_pb2.LoadReport:
        """What transceivers are told of this worker's load."""
        return self._house.load_report()

    async def start(self) -> str:
        """Listens; returns the address with the port that 0 became. Raises OSError where it cannot be bound."""
        add_WorkerServiceServicer_to_server(self, self._server)
        self._server.add_generic_rpc_handlers((self._health.handler(),))
        describe(self._server)
        try:
            port = self._bind()
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._address}") from error
        await self._house.worker.start()
        self._house.sample()
        self._health.tell(serving=self._house.is_healthy)
        await self._server.start()
        self._reporter = asyncio.create_task(self._report_periodically(), name="load-reports")
        if self._address.startswith("unix:"):
            return self._address
        return f"{self._address.rpartition(':')[0]}:{port}"

    async def stop(self, drain_s: float | None = None) -> None:
        """Takes no new session, lets open ones go on for `drain_s` (default: the options'), then ends them."""
        drain_s = self._options.drain_s if drain_s is None else drain_s
        self._house.is_draining = True
        self._health.withdraw()
        for stream in self._streams:
            stream.outbox.put_drain(worker_pb2.Drain(deadline_ms=int(drain_s * 1000)))
        await self._wait_sessions(drain_s)
        for stream in self._streams:
            stream.evict()
        await self._wait_sessions(_EVICTION_S)
        if self._reporter is not None:
            self._reporter.cancel()
        for stream in self._streams:
            stream.finish()
        await self._server.stop(_EVICTION_S)
        await self._house.worker.stop()

    # The name is the protocol's; and grpc.aio also takes a coroutine that writes to the context.
    async def Connect(  # type: ignore[override]
        self,
        request_iterator: AsyncIterator[worker_pb2.ConnectRequest],
        context: Context,
    ) -> None:
        """A transceiver's stream (called by gRPC)."""
        stream = TransceiverStream(self._house, self._name)
        self._streams.add(stream)
        try:
            await stream.serve(request_iterator, context)
        finally:
            self._streams.discard(stream)

    def _bind(self) -> int:
        if self._options.tls is None:
            return self._server.add_insecure_port(self._address)
        return self._server.add_secure_port(self._address, server_credentials(self._options.tls))

    async def _wait_sessions(self, timeout_s: float) -> None:
        if self._house.tasks:
            await asyncio.wait(set(self._house.tasks), timeout=timeout_s)

    def _report_load(self) -> None:
        report = self._house.load_report()
        for stream in self._streams:
            stream.outbox.put_load(report)

    async def _report_periodically(self) -> None:
        while True:
            await asyncio.sleep(_LOAD_INTERVAL_S)
            self._house.sample()
            self._report_load()
            self._health.tell(serving=self._house.is_healthy)


def _grpc_server(options: ServeOptions) -> grpc.aio.Server:
    return grpc.aio.server(
        options=[
            ("grpc.max_send_message_length", options.max_message_bytes),
            ("grpc.max_receive_message_length", options.max_message_bytes),
            # Two workers on one port would each see half of the streams; better that the second fails.
            ("grpc.so_reuseport", 0),
        ]
    )


async def run(
    worker: VoiceWorker,
    address: str,
    options: ServeOptions | None = None,
    *,
    stop: asyncio.Event | None = None,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """Serves `worker` until `stop` is set (for ever without one), then drains.

    Args:
        address: "127.0.0.1:9000", "[::1]:0" or "unix:/path/socket".
        on_listening: called once with the address bound, in the same form, with the port that 0 became.

    Raises:
        OSError: the address cannot be bound.
    """
    server = WorkerServer(worker, address, options)
    bound = await server.start()
    if on_listening is not None:
        on_listening(bound)
    try:
        await (stop or asyncio.Event()).wait()
    finally:
        await server.stop()


def serve(
    worker: VoiceWorker,
    address: str,
    options: ServeOptions | None = None,
    *,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """`run` until SIGTERM or SIGINT; a second signal ends the process at once. Blocks."""
    asyncio.run(_serve_until_signal(worker, address, options, on_listening))


async def _serve_until_signal(
    worker: VoiceWorker,
    address: str,
    options: ServeOptions | None,
    on_listening: Callable[[str], None] | None,
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await run(worker, address, options, stop=stop, on_listening=on_listening)
