"""One answer from the request to its end, whatever the author's code does."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.audio import Audio
from offhook_worker.conversation import Conversation, FunctionCalled, read_items
from offhook_worker.outputs import Error, FunctionCall, ResponseDone, ResponseStarted, Status, Text, Transcript
from offhook_worker.replies import AnswerFailed, CallFunction, Reply, ResponseClock, Speech
from offhook_worker.session import Session
from offhook_worker.turn import STAGE_MODEL, STAGE_RECOGNITION, STAGE_SPEECH, Listener, Turn

_FAILED = Error("model_failed", "The model failed to answer.")

_log = logging.getLogger(__name__)

Respond = Callable[[Turn], AsyncIterator[Reply]]


class Answer:
    """Runs an author's `respond` for one response.

    Args:
        conversation: what the answer reads, unless the request replaces it, and is added to, unless it is out of band.
        unwritten: turns without a transcript yet; the answer waits for them.
    """

    def __init__(
        self,
        session: Session,
        request: worker_pb2.ResponseRequest,
        conversation: Conversation,
        listener: Listener,
        unwritten: Iterable[asyncio.Event] = (),
    ) -> None:
        self._session = session
        self._request = request
        self._conversation = conversation
        self._unwritten = tuple(unwritten)
        self._turn = Turn(session, request, listener, asyncio.get_running_loop().time())
        self._clock = ResponseClock(request.response_id, session.output_format)
        self._generation: asyncio.Task[None] | None = None
        self._is_interrupted = False
        self._error: Error | None = None

    @property
    def audio_us(self) -> int:
        """How much audio the answer has so far."""
        return self._clock.position_us

    @property
    def is_interrupted(self) -> bool:
        """Whether it was told to stop."""
        return self._is_interrupted

    def interrupt(self) -> None:
        """Stops the author's code where it stands; nothing but the end of the response leaves from now on."""
        self._is_interrupted = True
        if self._generation is not None:
            self._generation.cancel()

    async def run(self, respond: Respond) -> None:
        """The whole answer, ResponseStarted to ResponseDone."""
        turn = self._turn
        await self._session.deliver(ResponseStarted(turn.response_id))
        if not self._is_interrupted:
            async with asyncio.TaskGroup() as group:
                self._generation = group.create_task(self._generate(respond))
        turn.usage.output_audio_seconds = self.audio_us / 1_000_000
        status = Status.CANCELLED if self._is_interrupted else turn.status
        await self._session.deliver(
            ResponseDone(turn.response_id, status, turn.usage, dict(turn.stage_latency_ms), self._error)
        )

    async def _generate(self, respond: Respond) -> None:
        try:
            await self._read_context()
            replies = respond(self._turn)
            try:
                async for reply in replies:
                    await self._give(reply)
            finally:
                if isinstance(replies, AsyncGenerator):
                    await replies.aclose()
        except AnswerFailed as fault:
            self._turn.status, self._error = Status.FAILED, fault.error
        except Exception:  # noqa: BLE001 - whatever an author's code raises fails its answer, not the call
            _log.exception("an answer of session %s failed", self._session.call_id)
            self._turn.status, self._error = Status.FAILED, _FAILED

    async def _read_context(self) -> None:
        turn = self._turn
        if self._request.replace_history:
            turn.conversation = tuple(read_items(self._request.input))
            return
        for written in self._unwritten:
            await written.wait()
        turn.conversation = self._conversation.items
        if turn.audio is not None:
            turn.usage.input_audio_seconds = turn.audio.duration_s
            turn.mark(STAGE_RECOGNITION)

    async def _give(self, reply: Reply) -> None:
        match reply:
            case Speech() if self._turn.wants_speech:
                await self._speak(reply)
            case Speech(words=words):
                await self._write(words if isinstance(words, str) else "".join(word.text for word in words))
            case CallFunction():
                await self._call(reply)
            case str():
                await self._write(reply)
            case _:
                raise TypeError(f"respond yielded {type(reply).__name__}, which is no reply")

    async def _speak(self, speech: Speech) -> None:
        for output in self._clock.frames(speech):
            if isinstance(output, Transcript) and not self._request.out_of_band:
                self._conversation.answered(output.response_id, output.delta, output.audio_start_us)
            elif isinstance(output, Audio):
                self._mark_first()
            await self._session.deliver(output)

    async def _write(self, text: str) -> None:
        if not text:
            return
        self._mark_first()
        if not self._request.out_of_band:
            self._conversation.answered(self._turn.response_id, text)
        await self._session.deliver(Text(self._turn.response_id, text))

    async def _call(self, call: CallFunction) -> None:
        response_id, call_id = self._turn.response_id, f"call_{secrets.token_hex(8)}"
        if not self._request.out_of_band:
            self._conversation.called(FunctionCalled("", call_id, call.name, call.arguments, response_id))
        await self._session.deliver(FunctionCall(response_id, call_id, call.name, call.arguments))

    def _mark_first(self) -> None:
        """What the author did not split is the model's."""
        if STAGE_SPEECH not in self._turn.stage_latency_ms:
            has_model = STAGE_MODEL in self._turn.stage_latency_ms
            self._turn.mark(STAGE_SPEECH if has_model else STAGE_MODEL)
