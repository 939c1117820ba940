"""One session on a line: speaks, asks, and keeps what it hears, with times."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.check.finding import Fault
from offhook_worker.check.line import Line
from offhook_worker.check.rules import OutputRules
from offhook_worker.check.sound import FRAME_MS

ACCEPT_S = 3.0
"""What a transceiver gives by default (SessionOpen.accept_within_ms)."""
CREDIT_S = 3.0
"""A worker that hears for so long without giving credit back has stopped listening."""
FASTER = "make audio faster than it plays: a smaller model, fewer sessions (max_sessions), more compute"
PLENTY_MS = 600_000
_FRAME_US = FRAME_MS * 1000


@dataclass
class Answer:
    """What came of one response. Times in seconds of the event loop's clock."""

    response_id: str
    asked_at: float
    audio_us: int = 0
    audio_at: list[float] = field(default_factory=list)
    """When each frame came."""
    text: str = ""
    transcript: str = ""
    calls: dict[str, worker_pb2.FunctionCallDelta] = field(default_factory=dict)
    """By call id, put together."""
    done: worker_pb2.ResponseDone | None = None

    @property
    def first_audio_ms(self) -> float:
        """From the request to the first frame."""
        return (self.audio_at[0] - self.asked_at) * 1000

    @property
    def real_time_factor(self) -> float | None:
        """Time per second of audio behind the first frame; None where there is too little to tell."""
        if self.audio_us < 500_000 or len(self.audio_at) < 2:
            return None
        return (self.audio_at[-1] - self.audio_at[0]) / (self.audio_us / 1e6)


class Caller:
    """One call.

    Attributes:
        rules: what every output is held against.
        echoes: audio that belongs to no response: when it came, and how long it plays in microseconds.
    """

    def __init__(self, line: Line, opening: worker_pb2.SessionOpen) -> None:
        self.rules = OutputRules(opening)
        self.opening = opening
        self.accept: worker_pb2.SessionAccept | None = None
        self.reject: worker_pb2.SessionReject | None = None
        self.error: worker_pb2.SessionError | None = None
        self.ended = False
        self.echoes: list[tuple[float, int]] = []
        self.answers: dict[str, Answer] = {}
        self.transcriptions: dict[str, worker_pb2.InputTranscription] = {}
        self.credit_us = 0
        self.closed_at: float | None = None
        self.heard_after_close = 0
        self._line = line
        self._media_time_us = 0
        self._number = line.seat(self)

    @property
    def media_time_us(self) -> int:
        """Where its next frame of audio begins."""
        return self._media_time_us

    # Towards the worker

    async def open(self) -> None:
        """Asks for the session and waits for the answer, whichever it is.

        Raises:
            Fault: none comes.
        """
        await self.send(worker_pb2.SessionInput(open=self.opening))
        await self._line.wait_until(lambda: self.accept is not None or self.reject is not None, ACCEPT_S)
        if self.accept is None and self.reject is None:
            raise self._lost_or(
                f"neither SessionAccept nor SessionReject within {ACCEPT_S:.0f} s",
                "accept at once and load what the session needs beside it; a transceiver asks another worker meanwhile",
            )

    async def send(self, message: worker_pb2.SessionInput) -> None:
        """One input of this session."""
        message.session = self._number
        await self._line.send(message)

    async def grant(self, audio_ms: int) -> None:
        """Lets the worker send more."""
        self.rules.granted(audio_ms)
        await self.send(worker_pb2.SessionInput(credit=worker_pb2.Credit(audio_ms=audio_ms)))

    async def say(self, payloads: Sequence[bytes], *, paced: bool = True) -> None:
        """Sends audio as credit allows, at its own pace or as fast as it may.

        Raises:
            Fault: the worker gives no credit.
        """
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        for index, payload in enumerate(payloads):
            if paced:
                await asyncio.sleep(max(0.0, began_at + index * FRAME_MS / 1000 - loop.time()))
            if self.credit_us <= 0 and not await self._line.wait_until(lambda: self.credit_us > 0, CREDIT_S):
                raise self._lost_or(
                    f"no input credit for {CREDIT_S:.0f} s after {index * FRAME_MS} ms of audio",
                    "give Credit back for audio as it is read, also while an answer is generated",
                )
            self.credit_us -= _FRAME_US
            frame = worker_pb2.AudioFrame(
                payload=payload,
                media_time_us=self._media_time_us,
                duration_us=_FRAME_US,
                audio_level_plus_one=31,
            )
            self._media_time_us += _FRAME_US
            await self.send(worker_pb2.SessionInput(audio=frame))

    async def turn(self, payloads: Sequence[bytes], *, paced: bool = False) -> str:
        """Says something and commits it, as the fabric's turn taking does; the item's id."""
        item_id, start_us = f"item_{secrets.token_hex(8)}", self._media_time_us
        events = worker_pb2.TurnEvent
        await self._turn_event(events.KIND_SPEECH_STARTED, item_id, start_us, 0)
        await self.say(payloads, paced=paced)
        end_us = self._media_time_us
        await self._turn_event(events.KIND_SPEECH_STOPPED, item_id, start_us, end_us)
        await self._turn_event(events.KIND_COMMITTED, item_id, start_us, end_us)
        return item_id

    async def type(self, text: str) -> None:
        """Writes a message."""
        words = worker_pb2.TextInput(item_id=f"item_{secrets.token_hex(8)}", role=worker_pb2.ROLE_USER, text=text)
        await self.send(worker_pb2.SessionInput(text=words))

    async def ask(self, config: worker_pb2.SessionConfig | None = None) -> Answer:
        """Requests an answer, which fills while it comes."""
        response_id = f"resp_{secrets.token_hex(8)}"
        answer = Answer(response_id, asyncio.get_running_loop().time())
        self.answers[response_id] = answer
        request = worker_pb2.ResponseRequest(response_id=response_id, config=config or self.opening.config)
        await self.send(worker_pb2.SessionInput(response_request=request))
        return answer

    async def complete(self, answer: Answer, within_s: float) -> Answer:
        """Waits until the answer is done.

        Raises:
            Fault: it is not.
        """
        await self._line.wait_until(lambda: answer.done is not None or self.is_over, within_s)
        if answer.done is None:
            pace = answer.real_time_factor
            if pace is not None and pace > 1.0 and not self.is_over:
                raise Fault(
                    f"slower than real time: {pace:.1f} s for a second of audio, and no end within {within_s:.0f} s",
                    FASTER,
                )
            came = f"{answer.audio_us / 1e6:.1f} s of audio" if answer.audio_us else "nothing"
            raise self._lost_or(
                f"no ResponseDone within {within_s:.0f} s of ResponseRequest; {came} came of the response",
                "end every response that was asked for with ResponseDone, also where there is nothing to say",
            )
        return answer

    async def interrupt(self, answer: Answer, played_us: int) -> None:
        """The caller speaks: stop."""
        self.rules.interrupted(answer.response_id)
        reason = worker_pb2.Interruption.REASON_TURN_DETECTED
        interruption = worker_pb2.Interruption(response_id=answer.response_id, reason=reason, played_us=played_us)
        await self.send(worker_pb2.SessionInput(interruption=interruption))

    async def close(self) -> None:
        """Hangs up."""
        close = worker_pb2.SessionClose(reason=worker_pb2.SessionClose.REASON_CLIENT_HANGUP)
        await self.send(worker_pb2.SessionInput(close=close))
        self.closed_at = asyncio.get_running_loop().time()

    @property
    def is_over(self) -> bool:
        """Whether the worker ended the session."""
        return self.ended or self.reject is not None or bool(self.error and self.error.fatal)

    # From the worker

    def hear(self, output: worker_pb2.SessionOutput, at: float) -> None:
        """See `Hearer`."""
        if self.closed_at is not None:
            self.heard_after_close += at > self.closed_at
            return
        self.rules.take(output)
        match output.WhichOneof("output"):
            case "accept":
                self.accept = output.accept
                self.credit_us += output.accept.input_credit_ms * 1000
            case "reject":
                self.reject = output.reject
            case "credit":
                self.credit_us += output.credit.audio_ms * 1000
            case "error":
                self.error = output.error
            case "end":
                self.ended = True
            case "input_transcription":
                self._transcribed(output.input_transcription)
            case "audio":
                self._audio(output.audio, at)
            case _:
                self._answered(output)

    def _audio(self, frame: worker_pb2.AudioFrame, at: float) -> None:
        answer = self.answers.get(frame.response_id)
        if answer is not None:
            answer.audio_us += frame.duration_us
            answer.audio_at.append(at)
        elif not frame.response_id:
            self.echoes.append((at, frame.duration_us))

    def _answered(self, output: worker_pb2.SessionOutput) -> None:
        kind = output.WhichOneof("output") or ""
        answer = self.answers.get(getattr(getattr(output, kind, None), "response_id", ""))
        if answer is None:
            return
        match kind:
            case "text":
                answer.text += output.text.delta
            case "transcript":
                answer.transcript += output.transcript.delta
            case "function_call":
                delta = output.function_call
                call = answer.calls.setdefault(
                    delta.call_id, worker_pb2.FunctionCallDelta(call_id=delta.call_id, name=delta.name)
                )
                call.arguments_delta += delta.arguments_delta
            case "response_done":
                answer.done = output.response_done

    def _transcribed(self, words: worker_pb2.InputTranscription) -> None:
        if words.done or words.HasField("error"):
            self.transcriptions[words.item_id] = words

    async def _turn_event(
        self, kind: worker_pb2.TurnEvent.Kind.ValueType, item_id: str, start_us: int, end_us: int
    ) -> None:
        turn = worker_pb2.TurnEvent(kind=kind, item_id=item_id, start_us=start_us, end_us=end_us)
        await self.send(worker_pb2.SessionInput(turn=turn))

    def _lost_or(self, found: str, advice: str) -> Fault:
        """What is wrong, unless the session or the whole stream went away, which explains it."""
        if self.error is not None and self.error.fatal:
            what = f"the worker ended the session: {self.error.code}, {self.error.message}"
            return Fault(what, "read the worker's log: its code failed")
        if self.ended:
            return Fault("the worker ended the session with SessionEnd", "serve a call until SessionClose")
        return self._line.lost() if self._line.ended.is_set() else Fault(found, advice)
