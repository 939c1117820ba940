"""The gRPC shell around `WorkerStream`: dials one worker, keeps a stream open, dials again."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import NamedTuple, TypeAlias

import grpc
import structlog
from offhook_proto.worker.v1 import worker_pb2
from offhook_proto.worker.v1.worker_pb2_grpc import WorkerServiceStub

from transceiver.worker_link.backoff import Backoff
from transceiver.worker_link.counters import LinkCounters, LostReason
from transceiver.worker_link.health import watch_health
from transceiver.worker_link.listener import WorkerSessionListener
from transceiver.worker_link.session import Verdict, WorkerSession
from transceiver.worker_link.settings import WorkerLinkSettings
from transceiver.worker_link.stream import PROTOCOL_MAJOR, PROTOCOL_MINOR, WorkerStream
from transceiver.worker_link.ticker import Ticker
from transceiver.worker_link.tls import open_channel

_log = structlog.get_logger(__name__)


class Declined(NamedTuple):
    """A worker did not take a session. The reason is unspecified where it did not answer."""

    reason: worker_pb2.SessionReject.Reason.ValueType
    message: str


class WorkerLink:
    """One worker at one gRPC target, for as long as discovery names it.

    Args:
        on_change: called when the worker's readiness, capacity or load changed.
    """

    def __init__(
        self,
        target: str,
        transceiver_name: str,
        settings: WorkerLinkSettings,
        counters: LinkCounters,
        *,
        on_change: Callable[[], None],
        rng: random.Random,
    ) -> None:
        self.target = target
        self._transceiver_name = transceiver_name
        self._settings = settings
        self._counters = counters
        self._on_change = on_change
        self._backoff = Backoff(settings.reconnect_min_s, settings.reconnect_max_s, rng)
        self._stream: WorkerStream | None = None
        self._retired = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def stream(self) -> WorkerStream | None:
        """The stream, where one stands that takes new sessions."""
        if self._stream is not None and self._stream.is_ready and not self._retired.is_set():
            return self._stream
        return None

    def start(self) -> asyncio.Task[None]:
        """Begins to dial; the task ends after `stop`, or after `retire` with the last session."""
        self._task = asyncio.create_task(self._run(), name=f"worker-link {self.target}")
        return self._task

    def retire(self) -> None:
        """Discovery no longer names this worker: its sessions go on, no new one comes, it is not dialled again."""
        self._retired.set()

    async def stop(self) -> None:
        """Ends the stream at once."""
        if self._stream is not None:
            self._stream.lose(LostReason.STOPPED)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def open(self, opening: worker_pb2.SessionOpen, listener: WorkerSessionListener) -> WorkerSession | Declined:
        """Asks the worker to take a session and waits for its answer, `accept_timeout_s` at most."""
        stream = self.stream
        if stream is None:
            return Declined(worker_pb2.SessionReject.REASON_UNSPECIFIED, "the worker is gone")
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        session = stream.open(
            opening,
            listener,
            decided=lambda v: None if answer.done() else answer.set_result(v),
        )
        try:
            async with asyncio.timeout(self._settings.accept_timeout_s):
                verdict = await answer
        except TimeoutError:
            session.close(worker_pb2.SessionClose.REASON_ERROR)
            return Declined(
                worker_pb2.SessionReject.REASON_UNSPECIFIED,
                "the worker did not answer in time",
            )
        except asyncio.CancelledError:
            session.close(worker_pb2.SessionClose.REASON_CLIENT_HANGUP)
            raise
        if verdict is None:
            return session
        if isinstance(verdict, LostReason):
            return Declined(
                worker_pb2.SessionReject.REASON_UNSPECIFIED,
                f"the worker was lost: {verdict}",
            )
        return Declined(verdict.reason, verdict.message)

    async def _run(self) -> None:
        failures = 0
        while not self._retired.is_set():
            try:
                was_ready = await self._hold_stream()
            except OSError as error:
                was_ready = False
                if failures == 0:
                    _log.error("worker_tls_files_unreadable", error=str(error))
            if was_ready:
                failures = 0
                self._backoff.reset()
            elif failures == 0:
                _log.warning("worker_unreachable", target=self.target)
            failures += not was_ready
            try:
                async with asyncio.timeout(self._backoff.next_wait()):
                    await self._retired.wait()
            except TimeoutError:
                continue

    async def _hold_stream(self) -> bool:
        """Opens one stream and returns when it is over: whether the worker had said hello."""
        ticker = Ticker(self._settings.batch_interval_ms / 1000)
        stream = WorkerStream(
            self._settings,
            self._counters,
            waker=ticker,
            on_change=self._on_change,
            now=_now(),
        )
        # Until its health service says so, or that there is none.
        stream.set_serving(serving=False)
        self._stream = stream
        # A channel of its own for each attempt: gRPC's hidden back-off would otherwise add itself to ours.
        async with open_channel(self.target, self._settings) as channel:
            call = WorkerServiceStub(channel).Connect()
            hello = worker_pb2.TransceiverHello(
                transceiver=self._transceiver_name,
                protocol_major=PROTOCOL_MAJOR,
                protocol_minor=PROTOCOL_MINOR,
            )
            try:
                await _first_to_end(
                    _read(call, stream),
                    _write(call, stream, ticker, hello),
                    self._watch(stream),
                    self._follow_health(channel, stream),
                )
            finally:
                ticker.cancel()
                call.cancel()
                stream.lose(LostReason.STREAM_ENDED)
                if stream.hello is not None:
                    _log.info(
                        "worker_stream_over",
                        target=self.target,
                        worker=stream.hello.worker,
                        reason=stream.lost,
                    )
        return stream.hello is not None

    async def _watch(self, stream: WorkerStream) -> None:
        """Drives the stream's liveness; ends with it, or when a retired worker has no session left."""
        while stream.lost is None and not (self._retired.is_set() and stream.sessions == 0):
            await asyncio.sleep(max(0.0, stream.next_timeout() - _now()))
            stream.handle_timeout(_now())

    async def _follow_health(self, channel: grpc.aio.Channel, stream: WorkerStream) -> None:
        """Keeps new sessions away from a worker that says it does not serve. Never ends."""
        loop = asyncio.get_running_loop()
        # A health service that says nothing at all is as good as none.
        no_word = loop.call_later(self._settings.hello_timeout_s, partial(stream.set_serving, serving=True))
        async with aclosing(watch_health(channel)) as healths:
            async for serving in healths:
                no_word.cancel()
                if stream.hello is not None and serving != stream.is_serving:
                    _log.info("worker_health_changed", worker=stream.hello.worker, serving=serving)
                stream.set_serving(serving=serving)


_Call: TypeAlias = "grpc.aio.StreamStreamCall[worker_pb2.ConnectRequest, worker_pb2.ConnectResponse]"


async def _read(call: _Call, stream: WorkerStream) -> None:
    async for response in call:
        stream.receive(response, _now())
        if stream.lost is not None:
            return


async def _write(
    call: _Call,
    stream: WorkerStream,
    ticker: Ticker,
    hello: worker_pb2.TransceiverHello,
) -> None:
    await call.write(worker_pb2.ConnectRequest(hello=hello))
    while True:
        await ticker.wait()
        while (request := stream.take_request()) is not None:
            await call.write(request)


async def _first_to_end(*parts: Coroutine[None, None, None]) -> None:
    """Runs the parts of a stream until one ends, then ends the others. A broken connection is an end like any other."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for fault in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(fault, grpc.aio.AioRpcError):
                _log.debug("worker_stream_broken", code=fault.code().name)
            elif isinstance(fault, Exception) and not isinstance(fault, asyncio.InvalidStateError):
                # InvalidStateError is how grpc.aio refuses a write on a call that is over.
                _log.error("worker_stream_failed", exc_info=fault)


def _now() -> float:
    return asyncio.get_running_loop().time()
