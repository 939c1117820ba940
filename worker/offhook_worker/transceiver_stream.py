"""One stream from one transceiver: its sessions, and what leaves for them."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import TypeAlias

import grpc
from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.counters import InputDrop
from offhook_worker.events import CloseReason
from offhook_worker.house import House
from offhook_worker.inbox import InboxOverflow
from offhook_worker.model import format_message, model_message
from offhook_worker.outbox import Outbox
from offhook_worker.replies import AnswerFailed
from offhook_worker.session import Session
from offhook_worker.worker import Reject, RejectReason

PROTOCOL_MAJOR = 1
PROTOCOL_MINOR = 0

Context: TypeAlias = "grpc.aio.ServicerContext[worker_pb2.ConnectRequest, worker_pb2.ConnectResponse]"

_log = logging.getLogger(__name__)


class TransceiverStream:
    """Reads inputs into sessions, runs the author's code for each, writes what they yield."""

    def __init__(self, house: House, name: str) -> None:
        self.outbox = Outbox(house.options.batch_interval_ms / 1000)
        self._house = house
        self._name = name
        self._sessions: dict[int, tuple[Session, asyncio.Task[None]]] = {}
        self._heard_at = _now()
        self._is_finishing = False

    async def serve(
        self,
        requests: AsyncIterator[worker_pb2.ConnectRequest],
        context: Context,
    ) -> None:
        """Runs the stream until either side ends it."""
        await self._greet(requests, context)
        parts = [
            asyncio.create_task(self._read(requests)),
            asyncio.create_task(self._write(context)),
            asyncio.create_task(self._watch()),
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.outbox.close()
            for number in list(self._sessions):
                self._close(number, CloseReason.TRANSCEIVER_LOST)
            for part in parts:
                part.cancel()
            for fault in await asyncio.gather(*parts, return_exceptions=True):
                # InternalError is how grpc.aio ends a write to a transceiver that has gone away.
                if isinstance(fault, Exception) and not isinstance(fault, (grpc.RpcError, grpc.aio.InternalError)):
                    _log.error("the stream of a transceiver failed", exc_info=fault)

    def evict(self) -> None:
        """The drain's deadline: what still runs ends with an error that tells the caller to go elsewhere."""
        for session, task in list(self._sessions.values()):
            session.send(_fatal("worker_draining", "The worker is shutting down."))
            session.close(CloseReason.TRANSCEIVER_DRAINING)
            task.cancel()

    def finish(self) -> None:
        """Ends the stream in good order, after what waits has left."""
        self._is_finishing = True
        self.outbox.wake()

    # -- the three parts of a stream ---------------------------------------------------------------------------------

    async def _greet(
        self,
        requests: AsyncIterator[worker_pb2.ConnectRequest],
        context: Context,
    ) -> None:
        try:
            async with asyncio.timeout(self._house.options.peer_timeout_s):
                first = await anext(aiter(requests))
        except (StopAsyncIteration, TimeoutError):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no hello")
        if not first.HasField("hello"):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message must carry hello")
        if first.hello.protocol_major > PROTOCOL_MAJOR:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"this worker speaks protocol {PROTOCOL_MAJOR}.{PROTOCOL_MINOR}",
            )
        self._house.counters.streams_opened += 1
        _log.info("transceiver %s connected", first.hello.transceiver)
        hello = worker_pb2.WorkerHello(
            worker=self._name,
            protocol_major=PROTOCOL_MAJOR,
            protocol_minor=PROTOCOL_MINOR,
            models=map(model_message, self._house.models.values()),
            max_sessions=self._house.options.max_sessions,
        )
        await context.write(worker_pb2.ConnectResponse(hello=hello, load=self._house.load_report()))

    async def _read(self, requests: AsyncIterator[worker_pb2.ConnectRequest]) -> None:
        counters = self._house.counters
        async for request in requests:
            self._heard_at = _now()
            counters.messages_received += 1
            counters.inputs_received += len(request.inputs)
            if request.HasField("ping"):
                self.outbox.put_pong(worker_pb2.Pong(nonce=request.ping.nonce))
            for message in request.inputs:
                self._receive(message)

    async def _write(
        self,
        context: Context,
    ) -> None:
        counters = self._house.counters
        while not self._is_finishing:
            await self.outbox.wait()
            while (response := self.outbox.take()) is not None:
                counters.messages_sent += 1
                counters.outputs_sent += len(response.outputs)
                await context.write(response)

    async def _watch(self) -> None:
        """Ends when the transceiver fell silent: a frozen process or a cut network closes no connection."""
        timeout_s = self._house.options.peer_timeout_s
        while True:
            silent_s = _now() - self._heard_at
            if silent_s >= timeout_s:
                return
            await asyncio.sleep(timeout_s - silent_s)

    # -- sessions ----------------------------------------------------------------------------------------------------

    def _receive(self, message: worker_pb2.SessionInput) -> None:
        if message.HasField("open"):
            self._open(message)
        elif message.session not in self._sessions:
            self._house.counters.drops[InputDrop.UNKNOWN_SESSION] += 1
        elif message.HasField("close"):
            self._close(message.session, _close_reason(message.close))
        else:
            session, task = self._sessions[message.session]
            try:
                session.receive(message, _now())
            except InboxOverflow:
                session.send(_fatal("input_queue_full", "The model does not read its input."))
                session.close(CloseReason.ERROR)
                task.cancel()

    def _open(self, message: worker_pb2.SessionInput) -> None:
        number, opening = message.session, message.open
        if number in self._sessions:
            self._house.counters.drops[InputDrop.DUPLICATE_SESSION] += 1
            return
        try:
            self._check(opening)
        except Reject as refusal:
            self._house.counters.sessions_rejected += 1
            rejection = _rejection(refusal)
            rejection.session = number
            self.outbox.put(rejection, at_once=True)
            return
        session = Session(
            number,
            opening,
            options=self._house.options,
            outbox=self.outbox,
            counters=self._house.counters,
            note_delay=self._house.note_delay,
        )
        task = asyncio.create_task(self._run(session), name=f"session {session.call_id}")
        self._sessions[number] = (session, task)
        self._house.tasks.add(task)
        task.add_done_callback(partial(self._over, number))

    def _check(self, opening: worker_pb2.SessionOpen) -> None:
        """Takes a seat for the session, or raises Reject."""
        model = self._house.models.get(opening.model)
        if self._house.is_draining:
            raise Reject("the worker is shutting down", RejectReason.DRAINING)
        if model is None:
            raise Reject(
                f"this worker serves no model {opening.model!r}",
                RejectReason.UNKNOWN_MODEL,
            )
        if opening.input_format not in map(format_message, model.input_formats):
            raise Reject(
                "the model does not take this input format",
                RejectReason.UNSUPPORTED_FORMAT,
            )
        if opening.output_format not in map(format_message, model.output_formats):
            raise Reject(
                "the model does not give this output format",
                RejectReason.UNSUPPORTED_FORMAT,
            )
        if not self._house.take_seat():
            raise Reject("every seat of this worker is taken", RejectReason.AT_CAPACITY)

    def _close(self, number: int, reason: CloseReason) -> None:
        session, task = self._sessions[number]
        session.close(reason)
        asyncio.get_running_loop().call_later(self._house.options.close_grace_s, task.cancel)

    def _over(self, number: int, task: asyncio.Task[None]) -> None:
        del self._sessions[number]
        self._house.tasks.discard(task)
        self._house.leave_seat()

    async def _run(self, session: Session) -> None:
        with self._house.options.around_session(session):
            await self._serve(session)

    async def _serve(self, session: Session) -> None:
        """One session from its opening to its end. No fault of the author's leaves this coroutine."""
        counters = self._house.counters
        try:
            if await self._accept(session):
                counters.sessions_accepted += 1
                await self._drive(session)
                session.send(worker_pb2.SessionOutput(end=worker_pb2.SessionEnd()))
        except AnswerFailed as fault:
            counters.sessions_failed += 1
            _log.warning("session %s failed: %s", session.call_id, fault)
            session.send(_fatal(fault.error.code, fault.error.message))
        except Exception:  # noqa: BLE001 - whatever an author's code raises is logged and ends its own session only
            counters.sessions_failed += 1
            _log.exception("session %s failed", session.call_id)
            session.send(_fatal("worker_exception", "The model failed."))
        finally:
            session.close(CloseReason.ERROR)

    async def _accept(self, session: Session) -> bool:
        """Lets the author look at the session first; whether it was accepted."""
        try:
            await self._house.worker.prepare(session)
        except Reject as refusal:
            self._house.counters.sessions_rejected += 1
            session.send(_rejection(refusal))
            return False
        accept = worker_pb2.SessionAccept(input_credit_ms=self._house.options.input_window_ms)
        session.send(worker_pb2.SessionOutput(accept=accept))
        return True

    async def _drive(self, session: Session) -> None:
        outputs = self._house.worker.on_session(session)
        try:
            async for output in outputs:
                await session.deliver(output)
        finally:
            # A generator left half-way would run its `finally` at some later time, or never.
            if isinstance(outputs, AsyncGenerator):
                await outputs.aclose()


def _rejection(refusal: Reject) -> worker_pb2.SessionOutput:
    reason = worker_pb2.SessionReject.Reason.ValueType(refusal.reason)
    return worker_pb2.SessionOutput(reject=worker_pb2.SessionReject(reason=reason, message=str(refusal)))


def _fatal(code: str, message: str) -> worker_pb2.SessionOutput:
    family = worker_pb2.SessionError.FAMILY_WORKER
    return worker_pb2.SessionOutput(
        error=worker_pb2.SessionError(family=family, code=code, message=message, fatal=True)
    )


def _close_reason(close: worker_pb2.SessionClose) -> CloseReason:
    try:
        return CloseReason(close.reason)
    except ValueError:
        return CloseReason.UNSPECIFIED


def _now() -> float:
    return asyncio.get_running_loop().time()
