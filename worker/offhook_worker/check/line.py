"""One stream to the worker under check, held as a transceiver holds it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol, TypeAlias

import grpc
from offhook_proto.worker.v1 import worker_pb2
from offhook_proto.worker.v1.worker_pb2_grpc import WorkerServiceStub

from offhook_worker.check.endpoint import Endpoint
from offhook_worker.check.finding import Fault, Gone

HELLO_S = 5.0
"""A transceiver waits 2 s by default; a worker that only now loads is not the subject."""
PING_EVERY_S = 0.25
SILENT_S = 1.5
"""From which nothing came for so long is taken for dead by a transceiver."""

_Call: TypeAlias = "grpc.aio.StreamStreamCall[worker_pb2.ConnectRequest, worker_pb2.ConnectResponse]"


class Hearer(Protocol):
    """A session on the line."""

    def hear(self, output: worker_pb2.SessionOutput, at: float) -> None:
        """Takes one of its outputs."""


class Load(NamedTuple):
    """A load report and when it came."""

    at: float
    report: worker_pb2.LoadReport


class Line:
    """The stream.

    Attributes:
        loads: load reports so far.
        slowest_pong_s: the longest that an answer to a ping took.
        strays: outputs for sessions that were never opened.
        drain: what the worker said when it began to drain.
        ended: set when the stream is over.
        fault: why, where it broke.
    """

    def __init__(self, call: _Call) -> None:
        self.hello: worker_pb2.WorkerHello | None = None
        self.loads: list[Load] = []
        self.pongs = 0
        self.slowest_pong_s = 0.0
        self.strays = 0
        self.drain: worker_pb2.Drain | None = None
        self.ended = asyncio.Event()
        self.fault = ""
        self.changed = asyncio.Condition()
        self._call = call
        self._writing = asyncio.Lock()
        self._hearers: dict[int, Hearer] = {}
        self._last_number = 0
        self._pinged: dict[int, float] = {}

    def seat(self, hearer: Hearer) -> int:
        """A number for a new session."""
        self._last_number += 1
        self._hearers[self._last_number] = hearer
        return self._last_number

    async def send(self, *inputs: worker_pb2.SessionInput) -> None:
        """Writes inputs in one message.

        Raises:
            Fault: the stream is over.
        """
        await self.write(worker_pb2.ConnectRequest(inputs=inputs))

    async def write(self, request: worker_pb2.ConnectRequest) -> None:
        """Writes a message of any content. Raises Fault as `send` does."""
        try:
            async with self._writing:
                await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.ended.wait()
            raise self.lost() from None

    def lost(self) -> Fault:
        """The stream ended where it should not have."""
        why = f": {self.fault}" if self.fault else ""
        return Fault(
            f"the worker ended the stream{why}",
            "keep Connect open until the transceiver closes it; one bad input or one failed session must not end it",
        )

    async def read(self) -> None:
        """Takes what comes until the stream ends."""
        try:
            async for response in self._call:
                await self._receive(response)
        except grpc.aio.AioRpcError as error:
            self.fault = f"{error.code().name}, {error.details()}"[:200]
        finally:
            self.ended.set()
            async with self.changed:
                self.changed.notify_all()

    async def ping(self) -> None:
        """Pings, and notes how long the worker stays silent."""
        loop = asyncio.get_running_loop()
        for nonce in range(1, 1_000_000):
            due = loop.time() + PING_EVERY_S
            if len(self._pinged) < 256:
                self._pinged[nonce] = loop.time()
            try:
                await self.write(worker_pb2.ConnectRequest(ping=worker_pb2.Ping(nonce=nonce)))
            except Fault:
                return
            await asyncio.sleep(max(0.0, due - loop.time()))
            lateness = max(0.0, loop.time() - due)
            # This process stood still itself; that says nothing of the worker.
            self._pinged = {each: at + lateness for each, at in self._pinged.items()}
            if self._pinged:
                self._note_silence(loop.time() - next(iter(self._pinged.values())))

    async def wait_load(self, sessions: int, within_s: float, *, at_least: bool = False) -> bool:
        """Whether a report comes, or has come last, that counts so many sessions."""

        def says_so() -> bool:
            counted = self.loads[-1].report.sessions if self.loads else -1
            return counted >= sessions if at_least else counted == sessions

        return await self.wait_until(says_so, within_s)

    async def wait_until(self, condition: "Condition", within_s: float) -> bool:
        """Whether `condition` holds within that time; looked at when something came."""
        try:
            async with asyncio.timeout(within_s), self.changed:
                await self.changed.wait_for(lambda: condition() or self.ended.is_set())
        except TimeoutError:
            return condition()
        return condition()

    def _note_silence(self, silent_s: float) -> None:
        self.slowest_pong_s = max(self.slowest_pong_s, silent_s)

    async def _receive(self, response: worker_pb2.ConnectResponse) -> None:
        now = asyncio.get_running_loop().time()
        if response.HasField("hello"):
            self.hello = response.hello
        if response.HasField("load"):
            self.loads.append(Load(now, response.load))
            del self.loads[:-1000]
        if response.HasField("drain"):
            self.drain = response.drain
        if response.HasField("pong"):
            self.pongs += 1
            pinged_at = self._pinged.pop(response.pong.nonce, None)
            if pinged_at is not None:
                self._note_silence(now - pinged_at)
                # A worker may answer the latest alone.
                self._pinged = {each: at for each, at in self._pinged.items() if each > response.pong.nonce}
        for output in response.outputs:
            hearer = self._hearers.get(output.session)
            if hearer is None:
                self.strays += 1
            else:
                hearer.hear(output, now)
        async with self.changed:
            self.changed.notify_all()


class Condition(Protocol):
    """Something to wait for."""

    def __call__(self) -> bool:
        """Whether it holds."""


@asynccontextmanager
async def connected(endpoint: Endpoint, *, minor: int = 0) -> AsyncIterator[Line]:
    """A stream on which the worker has said hello.

    Args:
        minor: the minor revision that this side claims to speak.

    Raises:
        Gone: nobody answers there.
        Fault: whoever answers does not speak the protocol.
    """
    async with endpoint.channel() as channel:
        await _reach(channel, endpoint)
        line = Line(WorkerServiceStub(channel).Connect())
        hello = worker_pb2.TransceiverHello(transceiver="offhook-worker-check", protocol_major=1, protocol_minor=minor)
        tasks = [asyncio.create_task(line.read())]
        try:
            await line.write(worker_pb2.ConnectRequest(hello=hello))
            if not await line.wait_until(lambda: line.hello is not None, HELLO_S):
                raise _no_hello(line)
            tasks.append(asyncio.create_task(line.ping()))
            yield line
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def refused(endpoint: Endpoint, major: int) -> grpc.StatusCode | None:
    """With which status a stream of another major revision ends; None: it does not."""
    async with endpoint.channel() as channel:
        call = WorkerServiceStub(channel).Connect()
        hello = worker_pb2.TransceiverHello(transceiver="offhook-worker-check", protocol_major=major)
        try:
            async with asyncio.timeout(HELLO_S):
                await call.write(worker_pb2.ConnectRequest(hello=hello))
                answer = await call.read()
        except grpc.aio.AioRpcError as error:
            return error.code()
        except TimeoutError:
            return None
        return await call.code() if answer == grpc.aio.EOF else None


async def _reach(channel: grpc.aio.Channel, endpoint: Endpoint) -> None:
    try:
        async with asyncio.timeout(HELLO_S):
            await channel.channel_ready()
    except TimeoutError:
        by = " by TLS" if endpoint.tls is not None else ""
        raise Gone(
            f"nothing answers at {endpoint.address}{by} within {HELLO_S:.0f} s",
            "start the worker, and name its address as host:port or unix:/path; where it serves TLS, name the "
            "authority of its certificate (--ca), and a certificate of yours (--cert, --key) where it asks for one",
        ) from None


def _no_hello(line: Line) -> Fault:
    if line.fault.startswith("UNIMPLEMENTED"):
        return Fault("the server has no offhook.worker.v1.WorkerService", "serve WorkerService.Connect on this address")
    found = f"no WorkerHello within {HELLO_S:.0f} s" if not line.ended.is_set() else str(line.lost())
    return Fault(found, "answer TransceiverHello, the first message of a stream, with WorkerHello")
