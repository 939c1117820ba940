"""Checks of the stream itself: what a worker says of itself, whether it lives, whom it lets in."""

import asyncio

import grpc
from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.check.endpoint import Endpoint
from offhook_worker.check.finding import Fault, Finding, Status
from offhook_worker.check.line import SILENT_S, Line, connected, refused
from offhook_worker.check.scene import Scene
from offhook_worker.check.target import CheckOptions, Target

_RATES = {
    worker_pb2.CODEC_OPUS: (48_000,),
    worker_pb2.CODEC_PCM_S16LE: (8_000, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    worker_pb2.CODEC_PCMU: (8_000,),
    worker_pb2.CODEC_PCMA: (8_000,),
}
_NOTICEABLE_S = 0.3
"""A loop that stands still for so long makes a gap that playout hardly covers."""


async def meet(endpoint: Endpoint, options: CheckOptions) -> tuple[Target, list[Finding]]:
    """Connects, and reads what the worker says of itself.

    Raises:
        Fault: without which nothing else can be looked at.
    """
    async with connected(endpoint) as line:
        hello = line.hello
        assert hello is not None
    if hello.protocol_major != 1:
        raise Fault(f"speaks protocol {hello.protocol_major}", "answer with protocol_major 1")
    found = list(_read_hello(hello))
    usable = [model for model in hello.models if _is_usable(model)]
    wanted = [model for model in usable if options.model in ("", model.name)]
    if not wanted:
        named = f"model {options.model!r}" if options.model else "a model with known formats"
        raise Fault(
            f"offers {', '.join(repr(model.name) for model in hello.models) or 'no model'}, not {named}",
            "name each model with at least one input_format and one output_format",
        )
    offered = f"worker {hello.worker!r} with {', '.join(model.name for model in usable)}; {hello.max_sessions} sessions"
    return Target(endpoint, options, hello, wanted[0]), [Finding("hello", Status.OK, offered), *found]


def _read_hello(hello: worker_pb2.WorkerHello) -> list[Finding]:
    wrong = []
    if not hello.worker:
        wrong.append(("WorkerHello.worker is empty", "name the worker: logs, metrics and fail-over go by it"))
    if hello.max_sessions == 0:
        wrong.append(("max_sessions is 0", "say how many sessions the worker takes; with 0 it gets none"))
    names = [model.name for model in hello.models]
    if len(set(names)) < len(names):
        wrong.append(("two models have one name", "name each model once, with all its formats"))
    for model in hello.models:
        for audio_format in (*model.input_formats, *model.output_formats):
            if not _is_known(audio_format):
                shown = " ".join(str(audio_format).split())
                wrong.append(
                    (f"model {model.name!r} names the format {{{shown}}}", "see AudioFormat in worker.proto for rates")
                )
    return [Finding("hello", Status.FAILED, what, advice) for what, advice in wrong]


def _is_usable(model: worker_pb2.Model) -> bool:
    formats = (model.input_formats, model.output_formats)
    return bool(model.name) and all(each and all(map(_is_known, each)) for each in formats)


def _is_known(audio_format: worker_pb2.AudioFormat) -> bool:
    return audio_format.sample_rate_hz in _RATES.get(audio_format.codec, ()) and audio_format.channels in (1, 2)


async def revisions(scene: Scene) -> list[Finding]:
    """Minor revisions are taken, another major one is refused."""
    async with connected(scene.target.endpoint, minor=99):
        pass
    code = await refused(scene.target.endpoint, major=2)
    if code == grpc.StatusCode.FAILED_PRECONDITION:
        return [Finding("revisions", Status.OK, "takes a newer minor revision, refuses a newer major one")]
    seen = code.name if code is not None else "no refusal"
    advice = "end a stream whose protocol_major is above yours with FAILED_PRECONDITION"
    return [Finding("revisions", Status.FAILED, f"protocol_major 2 got {seen}", advice)]


async def health(scene: Scene) -> list[Finding]:
    """grpc.health.v1, as probes ask for it."""
    status = await ask_health(scene.target.endpoint, b"")
    named = await ask_health(scene.target.endpoint, b"\x0a\x1f" + b"offhook.worker.v1.WorkerService")
    advice = 'serve grpc.health.v1.Health for "" and offhook.worker.v1.WorkerService: Kubernetes and operators probe it'
    if status is None:
        return [Finding("health", Status.WARNING, "no grpc.health.v1.Health", advice)]
    if status != SERVING or named != SERVING:
        return [Finding("health", Status.FAILED, f"says {status!r} and {named!r}, not SERVING", advice)]
    return [Finding("health", Status.OK, "SERVING")]


async def reflection(scene: Scene) -> list[Finding]:
    """grpc.reflection, as grpcurl asks it: optional, and told."""
    async with scene.target.endpoint.channel() as channel:
        ask: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        )
        call = ask(timeout=SILENT_S)
        try:
            # ServerReflectionRequest { string list_services = 7; }
            await call.write(b"\x3a\x00")
            answer = await call.read()
        except grpc.aio.AioRpcError:
            return [Finding("reflection", Status.SKIPPED, "not served: grpcurl needs the .proto file")]
        finally:
            call.cancel()
    if isinstance(answer, bytes) and b"offhook.worker.v1.WorkerService" in answer:
        return [Finding("reflection", Status.OK, "describes itself to grpcurl")]
    return [Finding("reflection", Status.WARNING, "does not name WorkerService", "add the service to its names")]


SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


async def ask_health(endpoint: Endpoint, request: bytes) -> bytes | None:
    """The answer of grpc.health.v1.Health/Check as it is on the wire; None where there is none."""
    async with endpoint.channel() as channel:
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer: bytes = await check(request, timeout=SILENT_S)
        except grpc.aio.AioRpcError:
            return None
        return answer


async def two_streams(scene: Scene) -> list[Finding]:
    """Several transceivers share a worker, and number their sessions each for itself."""
    async with scene.line() as one, scene.line() as other:
        first, second = await scene.opened(one), await scene.opened(other)
        await first.close()
        await asyncio.sleep(0.2)
        if second.is_over:
            raise Fault(
                "session 1 of one transceiver ended with session 1 of another",
                "keep sessions by stream and number: numbers are unique within a stream only",
            )
        await second.close()
    return [Finding("two transceivers", Status.OK, "sessions of the same number do not disturb each other")]


async def lost_stream(scene: Scene) -> list[Finding]:
    """A transceiver that dies gives its seats back."""
    async with scene.line() as line:
        before = await _sessions(line)
        async with connected(scene.target.endpoint) as doomed:
            callers = [scene.caller(doomed) for _ in range(2)]
            for caller in callers:
                await caller.open()
            if not await line.wait_load(before + 2, 3.0, at_least=True):
                raise Fault(
                    f"two sessions are open and the load report counts {line.loads[-1].report.sessions}",
                    "count in LoadReport.sessions the sessions of all transceivers, and report at once when it changes",
                )
        settle_s = scene.target.options.settle_s
        if not await line.wait_load(before, settle_s):
            raise Fault(
                f"the sessions of a transceiver that went away are still counted {settle_s:.0f} s later",
                "when Connect ends, end its sessions and free their seats",
            )
    return [Finding("lost transceiver", Status.OK, "its sessions ended and their seats were free again")]


async def _sessions(line: Line) -> int:
    if not await line.wait_until(lambda: bool(line.loads), 3.0):
        raise Fault("no LoadReport within 3 s of hello", "send a LoadReport with WorkerHello and every second")
    return line.loads[-1].report.sessions


def liveness(scene: Scene) -> list[Finding]:
    """How fast pings were answered in all of the run: the loop of a worker must never stand still."""
    pongs = sum(line.pongs for line in scene.lines)
    slowest_s = max((line.slowest_pong_s for line in scene.lines), default=0.0)
    seen = f"{pongs} pongs, the slowest after {slowest_s * 1000:.0f} ms"
    advice = "compute in a thread or another process, never on the loop that reads and writes the stream"
    if pongs == 0 or slowest_s >= SILENT_S:
        return [Finding("pings", Status.FAILED, f"{seen}; {SILENT_S} s of silence count as dead", advice)]
    if slowest_s > _NOTICEABLE_S:
        return [Finding("pings", Status.WARNING, f"{seen}, while calls were served", advice)]
    return [Finding("pings", Status.OK, seen)]
