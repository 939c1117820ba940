"""What all checks of a run share: the target, and every line and caller so far, judged together at the end."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.check import sound
from offhook_worker.check.caller import PLENTY_MS, Caller
from offhook_worker.check.finding import Fault
from offhook_worker.check.line import Line, connected
from offhook_worker.check.target import Target

SPOKEN_S = 2.0
PAUSE_S = 0.5
"""What the fabric hears after the voice, before it calls the turn over."""


class Scene:
    """One run.

    Attributes:
        is_echo: found out on the way: its audio belongs to no response.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.is_echo = False
        self.callers: list[Caller] = []
        self.lines: list[Line] = []
        self._spoken: list[bytes] = []

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """A stream of its own, so that what one check breaks does not spoil the next."""
        async with connected(self.target.endpoint) as line:
            self.lines.append(line)
            yield line

    def caller(
        self,
        line: Line,
        *,
        credit_ms: int = PLENTY_MS,
        config: worker_pb2.SessionConfig | None = None,
        model: str | None = None,
        input_format: worker_pb2.AudioFormat | None = None,
        output_format: worker_pb2.AudioFormat | None = None,
        history: Iterable[worker_pb2.HistoryItem] = (),
    ) -> Caller:
        """A session that is still to be opened."""
        opening = worker_pb2.SessionOpen(
            call_id=f"rtc_check{len(self.callers):04}",
            model=self.target.model.name if model is None else model,
            input_format=input_format or self.target.input_format,
            output_format=output_format or self.target.output_format,
            config=config or worker_pb2.SessionConfig(),
            history=history,
            output_credit_ms=credit_ms,
            accept_within_ms=3000,
        )
        caller = Caller(line, opening)
        self.callers.append(caller)
        return caller

    async def opened(
        self, line: Line, *, credit_ms: int = PLENTY_MS, config: worker_pb2.SessionConfig | None = None
    ) -> Caller:
        """A session that the worker has accepted.

        Raises:
            Fault: it did not.
        """
        caller = self.caller(line, credit_ms=credit_ms, config=config)
        await caller.open()
        require_accepted(caller)
        return caller

    async def prompt(self, caller: Caller) -> None:
        """Gives the model something to answer: typed where it reads, else spoken."""
        if self.target.can(worker_pb2.CAPABILITY_TEXT_INPUT):
            await caller.type(self.target.options.question)
        else:
            _ = await caller.turn(self.spoken())

    def spoken(self) -> list[bytes]:
        """Frames of what is said, and of the pause behind it."""
        if not self._spoken:
            options, audio_format = self.target.options, self.target.input_format
            said_s = len(options.speech) / (2 * options.speech_rate_hz) or SPOKEN_S
            self._spoken = [
                *sound.frames(audio_format, said_s, options.speech, options.speech_rate_hz),
                *sound.silence(audio_format, PAUSE_S),
            ]
        return self._spoken


def require_accepted(caller: Caller) -> None:
    """Raises Fault where the session was rejected."""
    if caller.reject is not None:
        reason = worker_pb2.SessionReject.Reason.Name(caller.reject.reason).removeprefix("REASON_")
        raise Fault(
            f"rejected a session it offers to take: {reason}, {caller.reject.message!r}",
            "accept sessions of the models and formats named in WorkerHello while fewer than max_sessions are open",
        )
