"""Workers that break the protocol on purpose, each in one way; written against the protocol, not the SDK.

`python -m tests.support.broken_workers FAULT ADDRESS` serves one in a process of its own. Its only model has the
fault's name and takes and gives PCMU, so that nothing is decoded on the way. It answers with
two seconds of audio.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from enum import StrEnum

import grpc
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_proto.worker.v1.worker_pb2_grpc import WorkerServiceServicer, add_WorkerServiceServicer_to_server

PCMU = pb.AudioFormat(codec=pb.CODEC_PCMU, sample_rate_hz=8000, channels=1)
FRAME_US = 20_000
ANSWER_FRAMES = 100
TONE = bytes(range(0x80, 0xA0)) * 5
"""20 ms that are no silence."""
MAX_SESSIONS = 8
INPUT_CREDIT_MS = 400


class Fault(StrEnum):
    """What is wrong with a worker."""

    NONE = "sound"
    SLOW = "slow"
    """Takes 50 ms for 20 ms of audio."""
    MUTE = "mute"
    """Never answers."""
    FLOOD = "flood"
    """Sends as fast as it can, whatever credit it has, and words without end."""
    GARBAGE = "garbage"
    """Outputs without content, for sessions that do not exist, with impossible times and payloads."""
    VANISH = "vanish"
    """Its process dies in the middle of an answer."""
    FREEZE = "freeze"
    """Computes on the loop that reads and writes."""
    DEAF = "deaf"
    """Gives no input credit back."""
    AFTERTALK = "aftertalk"
    """Goes on after ResponseDone."""
    STUBBORN = "stubborn"
    """Is not interrupted."""
    GREEDY = "greedy"
    """Takes every session, of any model, whatever it has room for."""


class BrokenWorker(WorkerServiceServicer):
    """A worker with one fault."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.sessions = 0
        self.streams: set[BrokenStream] = set()

    # The name is the protocol's; and grpc.aio also takes a coroutine that writes to the context.
    async def Connect(  # type: ignore[override]
        self,
        request_iterator: AsyncIterator[pb.ConnectRequest],
        context: "grpc.aio.ServicerContext[pb.ConnectRequest, pb.ConnectResponse]",
    ) -> None:
        stream = BrokenStream(self, context)
        self.streams.add(stream)
        try:
            await stream.serve(request_iterator)
        finally:
            self.streams.discard(stream)
            await self.report()

    async def report(self) -> None:
        """Tells all transceivers how many sessions there are."""
        for stream in list(self.streams):
            await stream.write(pb.ConnectResponse(load=self.load()))

    def load(self) -> pb.LoadReport:
        return pb.LoadReport(sessions=self.sessions, max_sessions=MAX_SESSIONS)


class BrokenStream:
    """One stream of it."""

    def __init__(
        self, worker: BrokenWorker, context: "grpc.aio.ServicerContext[pb.ConnectRequest, pb.ConnectResponse]"
    ) -> None:
        self._worker = worker
        self._fault = worker.fault
        self._context = context
        # One writer: a write that is cancelled half-way would break the stream.
        self._waiting: asyncio.Queue[pb.ConnectResponse] = asyncio.Queue(maxsize=8)
        self._credit_us: dict[int, int] = {}
        self._answers: dict[int, asyncio.Task[None]] = {}
        self._may_send = asyncio.Condition()

    async def serve(self, requests: AsyncIterator[pb.ConnectRequest]) -> None:
        writer = asyncio.create_task(self._write_all())
        try:
            async for request in requests:
                if request.HasField("hello"):
                    await self._greet(request.hello)
                if request.HasField("ping"):
                    await self.write(pb.ConnectResponse(pong=pb.Pong(nonce=request.ping.nonce)))
                for message in request.inputs:
                    await self._take(message)
        finally:
            writer.cancel()
            self._worker.sessions -= len(self._credit_us)
            for answer in self._answers.values():
                answer.cancel()

    async def _greet(self, hello: pb.TransceiverHello) -> None:
        if hello.protocol_major != 1:
            await self._context.abort(grpc.StatusCode.FAILED_PRECONDITION, "protocol 1")
        model = pb.Model(name=self._fault, input_formats=[PCMU], output_formats=[PCMU])
        greeting = pb.WorkerHello(
            worker=f"broken-{self._fault}", protocol_major=1, models=[model], max_sessions=MAX_SESSIONS
        )
        await self.write(pb.ConnectResponse(hello=greeting, load=self._worker.load()))

    async def _take(self, message: pb.SessionInput) -> None:
        number, kind = message.session, message.WhichOneof("input")
        if kind == "open":
            await self._open(number, message.open)
        elif number not in self._credit_us:
            return
        elif kind == "credit":
            async with self._may_send:
                self._credit_us[number] += message.credit.audio_ms * 1000
                self._may_send.notify_all()
        elif kind == "audio" and self._fault is not Fault.DEAF:
            credit = pb.Credit(audio_ms=message.audio.duration_us // 1000)
            await self._send(pb.SessionOutput(session=number, credit=credit))
        elif kind == "response_request" and self._fault is not Fault.MUTE:
            answer = self._answer(number, message.response_request.response_id)
            self._answers[number] = asyncio.create_task(answer)
        elif kind == "interruption" and self._fault is not Fault.STUBBORN and number in self._answers:
            self._answers[number].cancel()
        elif kind == "close":
            del self._credit_us[number]
            self._worker.sessions -= 1
            if number in self._answers:
                self._answers.pop(number).cancel()
            await self._worker.report()

    async def _open(self, number: int, opening: pb.SessionOpen) -> None:
        reject = pb.SessionReject
        reason: pb.SessionReject.Reason.ValueType | None = None
        if opening.model != self._fault:
            reason = reject.REASON_UNKNOWN_MODEL
        elif PCMU not in (opening.input_format, opening.output_format) or opening.input_format != PCMU:
            reason = reject.REASON_UNSUPPORTED_FORMAT
        elif self._worker.sessions >= MAX_SESSIONS:
            reason = reject.REASON_AT_CAPACITY
        if reason is not None and self._fault is not Fault.GREEDY:
            await self._send(pb.SessionOutput(session=number, reject=reject(reason=reason)))
            return
        self._worker.sessions += 1
        self._credit_us[number] = opening.output_credit_ms * 1000
        await self._worker.report()
        await self._send(pb.SessionOutput(session=number, accept=pb.SessionAccept(input_credit_ms=INPUT_CREDIT_MS)))

    async def _answer(self, number: int, response_id: str) -> None:
        await self._send(pb.SessionOutput(session=number, response_started=pb.ResponseStarted(response_id=response_id)))
        for index in range(ANSWER_FRAMES):
            await self._misbehave(number, index)
            await self._speak(number, response_id, index)
        completed = pb.ResponseDone.STATUS_COMPLETED
        await self._send(
            pb.SessionOutput(session=number, response_done=pb.ResponseDone(response_id=response_id, status=completed))
        )
        if self._fault is Fault.AFTERTALK:
            await self._speak(number, response_id, ANSWER_FRAMES)

    async def _misbehave(self, number: int, index: int) -> None:
        match self._fault:
            case Fault.SLOW:
                await asyncio.sleep(0.05)
            case Fault.FREEZE if index == 10:
                time.sleep(2.0)  # noqa: ASYNC251 - this is the fault
            case Fault.VANISH if index == 25:
                os._exit(1)
            case Fault.GARBAGE if index % 10 == 0:
                await self._send(*garbage(number))
            case Fault.FLOOD if index == 0:
                await self._flood(number)

    async def _speak(self, number: int, response_id: str, index: int) -> None:
        if self._fault is not Fault.FLOOD:
            async with self._may_send:
                await self._may_send.wait_for(lambda: self._credit_us.get(number, 1) > 0)
                if number in self._credit_us:
                    self._credit_us[number] -= FRAME_US
        await self._send(pb.SessionOutput(session=number, audio=frame(response_id, index)))

    async def _flood(self, number: int) -> None:
        """A minute of audio and a megabyte of words, over and over for as long as somebody reads."""
        audio = [pb.SessionOutput(session=number, audio=frame("", index)) for index in range(3000)]
        words = [pb.SessionOutput(session=number, text=pb.TextDelta(response_id="flood", delta="x" * 1000))] * 1000
        for _ in range(20):
            await self._send(*audio)
            await self._send(*words)

    async def _send(self, *outputs: pb.SessionOutput) -> None:
        await self.write(pb.ConnectResponse(outputs=outputs))

    async def write(self, response: pb.ConnectResponse) -> None:
        """Sends a message in its turn."""
        await self._waiting.put(response)

    async def _write_all(self) -> None:
        while True:
            await self._context.write(await self._waiting.get())


def frame(response_id: str, index: int) -> pb.AudioFrame:
    """The answer's frame of that index."""
    return pb.AudioFrame(payload=TONE, duration_us=FRAME_US, media_time_us=index * FRAME_US, response_id=response_id)


def garbage(number: int) -> list[pb.SessionOutput]:
    """Every kind of nonsense once."""
    made = pb.SessionOutput
    return [
        made(session=number),
        made(session=0, end=pb.SessionEnd()),
        made(session=2**32 - 1, accept=pb.SessionAccept(input_credit_ms=2**32 - 1)),
        made(session=number, accept=pb.SessionAccept()),
        made(session=number, audio=pb.AudioFrame(payload=b"", duration_us=0, response_id="?")),
        made(session=number, audio=pb.AudioFrame(payload=b"\xff" * 9, duration_us=2**32 - 1, media_time_us=2**63)),
        made(session=number, response_done=pb.ResponseDone(response_id="never asked for")),
        made(session=number, response_started=pb.ResponseStarted()),
        made(session=number, function_call=pb.FunctionCallDelta(name="rm", arguments_delta="{", done=True)),
        made(session=number, input_transcription=pb.InputTranscription(item_id="no such item", done=True)),
        made(session=number, flush=pb.Flush(response_id="no such response")),
        made(session=number, turn=pb.TurnEvent(end_us=1, start_us=2**63)),
        made(session=number, error=pb.SessionError(code="\x00" * 100, message="\uffff" * 100)),
    ]


async def serve(fault: Fault, address: str) -> None:
    """Serves the worker until the process is killed."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_WorkerServiceServicer_to_server(BrokenWorker(fault), server)
    port = server.add_insecure_port(address)
    await server.start()
    bound = address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"
    print(f"listening on {bound}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(Fault(sys.argv[1]), sys.argv[2]))
