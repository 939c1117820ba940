"""One call of a TurnWorker: its events in, its answers as tasks that an interruption cancels."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Self

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.answer import Answer, Respond
from offhook_worker.audio import Audio
from offhook_worker.conversation import Conversation
from offhook_worker.events import (
    Event,
    HistoryEdited,
    ImageInput,
    Interrupted,
    ResponseItem,
    ResponseRequested,
    TextInput,
    ToolResult,
    TurnEvent,
    TurnKind,
)
from offhook_worker.model import Codec
from offhook_worker.outputs import Error, InputTranscription, Output, ResponseDone, Status
from offhook_worker.replies import AnswerFailed
from offhook_worker.session import Session
from offhook_worker.turn import Listener
from offhook_worker.utterance import InputBuffer, Utterance

MAX_ANSWERS = 8
"""Answers that run at once in one call: one of the conversation, and some out of band."""
SETTLED_S = 0.3
"""When nobody has spoken for this long, a worker may speak unasked."""

_TOO_MANY = Error("too_many_responses", "Too many responses run at once in this session.", input_at_fault=True)
_NOT_TRANSCRIBED = "The model failed to transcribe the audio."

_log = logging.getLogger(__name__)


class Dialogue:
    """Runs one call. As an iterator it yields nothing: outputs leave from the tasks that make them.

    Attributes:
        session: the call.
        conversation: the worker's copy of it.
    """

    def __init__(self, session: Session, respond: Respond, listen: Callable[["Dialogue"], Listener]) -> None:
        self.session = session
        self.conversation = Conversation(session.history)
        self._respond = respond
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[str, Answer] = {}
        self._unwritten: list[asyncio.Event] = []
        self._input = InputBuffer(session.input_format.sample_rate_hz)
        self._keeps_audio = session.input_format.codec is Codec.PCM_S16LE and session.input_format.channels == 1
        self._caller_speaks = False
        self._answer_plays_until = 0.0
        self._listener = listen(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Output:
        """Runs the whole call; then there is nothing more."""
        async with self._group:
            async for event in self.session:
                self._listener.event(event)
                self._take(event)
            for task in self._tasks:
                task.cancel()
        raise StopAsyncIteration

    # -- for the author ----------------------------------------------------------------------------------------------

    @property
    def wants_transcripts(self) -> bool:
        """Whether the caller wants to see what was understood."""
        return self.session.config.HasField("transcription")

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Runs `work` beside the call; it is cancelled when the call is over, and an exception ends the call."""
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def heard(self, start_us: int) -> Utterance:
        """The caller's audio of the turn that is not committed yet, from `start_us` (media time) on."""
        return self._input.between(start_us)

    async def send(self, output: Output) -> None:
        """Sends an output that belongs to no answer."""
        await self.session.deliver(output)

    async def speak_unasked(self, respond: Respond) -> bool:
        """Says something by itself, as a reminder does, once nobody speaks; whether it was said to the end.

        The fabric refuses it where an answer begins at the same moment, and the caller may interrupt it.
        """
        while not self._is_quiet():  # noqa: ASYNC110 - silence announces itself by nothing
            await asyncio.sleep(SETTLED_S / 3)
        request = worker_pb2.ResponseRequest(response_id=f"resp_{secrets.token_hex(12)}", config=self.session.config)
        answer = Answer(self.session, request, self.conversation, self._listener)
        await self._run(request.response_id, answer, respond)
        return not answer.is_interrupted

    # -- events ------------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        match event:
            case Audio():
                if self._keeps_audio:
                    self._input.add(event)
            case TurnEvent():
                self._take_turn(event)
            case ResponseRequested():
                self._answer(event.request)
            case Interrupted():
                self._interrupt(event)
            case _:
                self._remember(event)

    def _remember(self, event: Event) -> None:
        match event:
            case TextInput():
                self.conversation.typed(event)
            case ImageInput():
                self.conversation.shown(event)
            case ToolResult():
                self.conversation.returned(event)
            case HistoryEdited():
                self.conversation.edited(event)
            case ResponseItem():
                self.conversation.named(event)

    def _take_turn(self, turn: TurnEvent) -> None:
        match turn.kind:
            case TurnKind.SPEECH_STARTED:
                self._caller_speaks = True
            case TurnKind.COMMITTED:
                self._caller_speaks = False
                self._commit(turn)
            case TurnKind.CLEARED:
                self._caller_speaks = False
                self._input.forget(self._input.end_us)

    def _commit(self, turn: TurnEvent) -> None:
        end_us = turn.end_us or self._input.end_us
        utterance = self._input.between(turn.start_us, end_us)
        self._input.forget(end_us)
        self.conversation.said(turn.item_id, utterance)
        written = asyncio.Event()
        self._unwritten.append(written)
        _ = self.spawn(self._transcribe(turn.item_id, utterance, written))

    async def _transcribe(self, item_id: str, utterance: Utterance, written: asyncio.Event) -> None:
        try:
            told = await self._write_down(item_id, utterance)
        finally:
            self._unwritten.remove(written)
            written.set()
        # Also where the caller does not want to see it: the fabric keeps it for a worker that takes this call over.
        if told is not None and (told.done or self.wants_transcripts):
            await self.send(told)

    async def _write_down(self, item_id: str, utterance: Utterance) -> InputTranscription | None:
        try:
            text = await self._listener.transcript(item_id, utterance)
        except AnswerFailed as fault:
            return InputTranscription(item_id, failure=fault.error.message)
        except Exception:  # noqa: BLE001 - whatever a model raises costs one transcript, not the call
            _log.exception("a transcript of session %s failed", self.session.call_id)
            return InputTranscription(item_id, failure=_NOT_TRANSCRIBED)
        if text is None:
            return None
        self.conversation.transcribed(item_id, text)
        return InputTranscription(item_id, done=True, text=text)

    def _interrupt(self, interruption: Interrupted) -> None:
        answer = self._answers.get(interruption.response_id)
        if answer is not None:
            answer.interrupt()
        self._answer_plays_until = _now()
        self.conversation.interrupted(interruption)

    # -- answers -----------------------------------------------------------------------------------------------------

    def _answer(self, request: worker_pb2.ResponseRequest) -> None:
        if len(self._answers) >= MAX_ANSWERS or request.response_id in self._answers:
            _ = self.spawn(self.send(ResponseDone(request.response_id, Status.FAILED, error=_TOO_MANY)))
            return
        answer = Answer(self.session, request, self.conversation, self._listener, self._unwritten)
        # Known before its task first runs: an interruption may be the very next event.
        self._answers[request.response_id] = answer
        _ = self.spawn(self._run(request.response_id, answer, self._respond))

    async def _run(self, response_id: str, answer: Answer, respond: Respond) -> None:
        self._answers[response_id] = answer
        began_at = _now()
        try:
            await answer.run(respond)
        finally:
            del self._answers[response_id]
            if not answer.is_interrupted:
                self._answer_plays_until = began_at + answer.audio_us / 1_000_000

    def _is_quiet(self) -> bool:
        return not self._answers and not self._caller_speaks and _now() >= self._answer_plays_until + SETTLED_S


def _now() -> float:
    return asyncio.get_running_loop().time()
