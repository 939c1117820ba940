"""Workers and transceivers for tests of the worker link: real gRPC, real processes, and one end at a time by hand."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_proto.worker.v1.worker_pb2_grpc import (
    WorkerServiceServicer,
    WorkerServiceStub,
    add_WorkerServiceServicer_to_server,
)
from offhook_worker import ServeOptions, VoiceWorker, WorkerServer

from offhook.service.background import Background
from tests.support.broken_workers import Fault
from transceiver.worker_link import (
    LostReason,
    WorkerLinkSettings,
    WorkerPool,
    WorkerSession,
    WorkerSessionListener,
)

DEADLINE_S = 20.0
"""How long a test waits for what must happen; far above what it takes, so that a busy machine fails nothing."""

OPUS = pb.AudioFormat(codec=pb.CODEC_OPUS, sample_rate_hz=48_000, channels=2)
FRAME_US = 20_000


async def until(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Returns when the condition holds; fails after the deadline."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.002)


class RecordingListener(WorkerSessionListener):
    """Keeps what a session heard."""

    def __init__(self) -> None:
        self.frames: list[pb.AudioFrame] = []
        self.texts: list[str] = []
        self.transcripts: list[tuple[str, int]] = []
        self.messages: list[pb.SessionOutput] = []
        self.ends = 0
        self.lost: list[LostReason] = []

    def worker_audio(self, frame: pb.AudioFrame) -> None:
        self.frames.append(frame)

    def worker_text(self, response_id: str, delta: str) -> None:
        self.texts.append(delta)

    def worker_transcript(self, response_id: str, delta: str, audio_start_us: int) -> None:
        self.transcripts.append((delta, audio_start_us))

    def worker_message(self, output: pb.SessionOutput) -> None:
        self.messages.append(output)

    def worker_ended(self) -> None:
        self.ends += 1

    def worker_lost(self, reason: LostReason) -> None:
        self.lost.append(reason)


@asynccontextmanager
async def pool_of(
    targets: Sequence[str], settings: WorkerLinkSettings | None = None, *, ready: int | None = None
) -> AsyncIterator[WorkerPool]:
    """A started pool, once `ready` workers (default: one for each target) are connected."""
    pool = WorkerPool(targets, "transceiver-under-test", settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(pool.stop)
        Background(stack).start(pool.follow())
        async with asyncio.timeout(DEADLINE_S):
            await pool.wait_ready(len(targets) if ready is None else ready)
        yield pool


async def open_session(
    pool: WorkerPool, listener: WorkerSessionListener, model: str = "echo", call_id: str = "rtc_test"
) -> WorkerSession:
    """A session with Opus both ways and nothing configured."""
    return await pool.open(
        model=model, call_id=call_id, input_format=OPUS, config=pb.SessionConfig(), listener=listener
    )


@asynccontextmanager
async def serving(
    worker: VoiceWorker, options: ServeOptions | None = None, address: str = "127.0.0.1:0"
) -> AsyncIterator[tuple[WorkerServer, str]]:
    """A worker in this process; yields the server and its address."""
    server = WorkerServer(worker, address, options)
    bound = await server.start()
    try:
        yield server, bound
    finally:
        await server.stop(drain_s=0)


class WorkerProcess:
    """A worker in a process of its own, as in production."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address

    @classmethod
    async def start(cls, address: str, worker: str = "echo", *arguments: str) -> "WorkerProcess":
        return await cls.launch("-m", "offhook_worker", worker, "--listen", address, *arguments)

    @classmethod
    async def launch(cls, *arguments: str) -> "WorkerProcess":
        """Any Python program that says where it listens."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            line = (await process.stdout.readline()).decode().strip()
        prefix = "listening on "
        assert line.startswith(prefix), line
        return cls(process, line.removeprefix(prefix))

    async def kill(self) -> None:
        """SIGKILL; also wakes and ends a stopped process."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def worker_process(directory: Path, worker: str = "echo", *arguments: str) -> AsyncIterator[WorkerProcess]:
    """A worker process on a Unix socket in `directory`."""
    running = await WorkerProcess.start(f"unix:{directory}/worker.sock", worker, *arguments)
    try:
        yield running
    finally:
        await running.kill()


@asynccontextmanager
async def broken_process(directory: Path, fault: Fault) -> AsyncIterator[WorkerProcess]:
    """A worker with a fault in a process of its own, on a Unix socket in `directory`."""
    address = f"unix:{directory}/{fault}.sock"
    running = await WorkerProcess.launch("-m", "tests.support.broken_workers", fault, address)
    try:
        yield running
    finally:
        await running.kill()


def hello(*models: str, max_sessions: int = 8, major: int = 1) -> pb.WorkerHello:
    """A worker's hello for models that take and give Opus."""
    return pb.WorkerHello(
        worker="by-hand",
        protocol_major=major,
        models=[pb.Model(name=name, input_formats=[OPUS], output_formats=[OPUS]) for name in models],
        max_sessions=max_sessions,
    )


class HandWorker(WorkerServiceServicer):
    """A worker whose every message the test writes itself: it answers pings and nothing else."""

    def __init__(self, greeting: pb.WorkerHello) -> None:
        self.greeting = greeting
        self.inputs: list[pb.SessionInput] = []
        self.messages = 0
        self.streams = 0
        self._context: grpc.aio.ServicerContext[pb.ConnectRequest, pb.ConnectResponse] | None = None

    # The name is the protocol's; and grpc.aio also takes a coroutine that writes to the context.
    async def Connect(  # type: ignore[override]
        self,
        request_iterator: AsyncIterator[pb.ConnectRequest],
        context: "grpc.aio.ServicerContext[pb.ConnectRequest, pb.ConnectResponse]",
    ) -> None:
        self.streams += 1
        self._context = context
        async for request in request_iterator:
            if request.HasField("hello"):
                await context.write(pb.ConnectResponse(hello=self.greeting))
            if request.HasField("ping"):
                await context.write(pb.ConnectResponse(pong=pb.Pong(nonce=request.ping.nonce)))
            self.messages += 1
            self.inputs.extend(request.inputs)

    async def send(self, *outputs: pb.SessionOutput) -> None:
        """Writes outputs in one message."""
        await self.write(pb.ConnectResponse(outputs=outputs))

    async def write(self, response: pb.ConnectResponse) -> None:
        """Writes any message."""
        assert self._context is not None
        await self._context.write(response)

    def of_kind(self, kind: str) -> list[pb.SessionInput]:
        """The inputs of one kind so far."""
        return [each for each in self.inputs if each.WhichOneof("input") == kind]

    async def accept_next(self, input_credit_ms: int, opened_before: int = 0) -> int:
        """Accepts the next session that is opened; returns its number."""
        await until(lambda: len(self.of_kind("open")) > opened_before)
        number = self.of_kind("open")[opened_before].session
        await self.send(pb.SessionOutput(session=number, accept=pb.SessionAccept(input_credit_ms=input_credit_ms)))
        return number


@asynccontextmanager
async def hand_worker(greeting: pb.WorkerHello) -> AsyncIterator[tuple[HandWorker, str]]:
    """A worker by hand on a port of 127.0.0.1; yields it and its address."""
    worker = HandWorker(greeting)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_WorkerServiceServicer_to_server(worker, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield worker, f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


class HandTransceiver:
    """A transceiver whose every message the test writes itself."""

    def __init__(self, call: "grpc.aio.StreamStreamCall[pb.ConnectRequest, pb.ConnectResponse]") -> None:
        self.call = call
        self.responses: list[pb.ConnectResponse] = []
        # Sorted as they come: tests poll for kinds, and a search through all outputs would hold the loop they wait on.
        self._by_kind: dict[tuple[str | None, int | None], list[pb.SessionOutput]] = {}
        self.fault: grpc.aio.AioRpcError | None = None
        self._writing = asyncio.Lock()

    @property
    def outputs(self) -> list[pb.SessionOutput]:
        """All outputs so far."""
        return [output for response in self.responses for output in response.outputs]

    def of_kind(self, kind: str, session: int | None = None) -> list[pb.SessionOutput]:
        """The outputs of one kind so far, of one session or all."""
        return list(self._by_kind.get((kind, session), ()))

    def _keep(self, response: pb.ConnectResponse) -> None:
        self.responses.append(response)
        for output in response.outputs:
            kind = output.WhichOneof("output")
            for session in (None, output.session):
                self._by_kind.setdefault((kind, session), []).append(output)

    async def read_all(self) -> None:
        """Collects responses until the stream ends."""
        try:
            async for response in self.call:
                self._keep(response)
        except grpc.aio.AioRpcError as error:
            self.fault = error

    async def send(self, *inputs: pb.SessionInput) -> None:
        """Writes inputs in one message."""
        async with self._writing:
            await self.call.write(pb.ConnectRequest(inputs=inputs))

    async def open(
        self,
        number: int,
        model: str = "echo",
        output_credit_ms: int = 1000,
        *,
        input_format: pb.AudioFormat = OPUS,
        output_format: pb.AudioFormat = OPUS,
        config: pb.SessionConfig | None = None,
        history: Sequence[pb.HistoryItem] = (),
    ) -> None:
        """Asks for a session."""
        opening = pb.SessionOpen(
            call_id=f"rtc_{number}",
            model=model,
            input_format=input_format,
            output_format=output_format,
            output_credit_ms=output_credit_ms,
            config=config,
            history=history,
        )
        await self.send(pb.SessionInput(session=number, open=opening))


@asynccontextmanager
async def hand_transceiver(address: str, first: pb.ConnectRequest | None = None) -> AsyncIterator[HandTransceiver]:
    """A transceiver by hand, whose hello (or `first`) has been sent."""
    async with grpc.aio.insecure_channel(address) as channel:
        transceiver = HandTransceiver(WorkerServiceStub(channel).Connect())
        greeting = pb.TransceiverHello(transceiver="by-hand", protocol_major=1)
        await transceiver.call.write(first or pb.ConnectRequest(hello=greeting))
        reader = asyncio.create_task(transceiver.read_all())
        try:
            yield transceiver
        finally:
            transceiver.call.cancel()
            reader.cancel()
            await asyncio.wait([reader])


def audio(session: int, payload: bytes = b"opus", duration_us: int = FRAME_US) -> pb.SessionInput:
    """One frame of input audio."""
    return pb.SessionInput(session=session, audio=pb.AudioFrame(payload=payload, duration_us=duration_us))
