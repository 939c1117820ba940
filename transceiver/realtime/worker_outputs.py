"""The worker's outputs, each in its handler."""

from collections.abc import Callable

from offhook_proto.worker.v1 import worker_pb2

from transceiver.realtime.answering import Answers
from transceiver.realtime.schema import server_events
from transceiver.realtime.state import SessionState
from transceiver.realtime.transcribing import InputTranscriptions
from transceiver.realtime.turn_flow import TurnFlow


class WorkerOutputs:
    """Acts on what the worker sends. What belongs to no response that may speak is discarded."""

    def __init__(
        self, state: SessionState, answers: Answers, turns: TurnFlow, transcriptions: InputTranscriptions
    ) -> None:
        self._state = state
        self._answers = answers
        self._turns = turns
        self._handlers: dict[str, Callable[[worker_pb2.SessionOutput], None]] = {
            "audio": lambda output: answers.audio(output.audio),
            "text": self._text,
            "transcript": self._words,
            "function_call": self._function_call,
            "response_started": self._response_started,
            "response_done": lambda output: answers.done(output.response_done),
            "input_transcription": lambda output: transcriptions.receive(output.input_transcription),
            "flush": lambda output: answers.flush(output.flush.response_id),
            "turn": self._turn,
            "error": self._error,
        }

    def handle(self, output: worker_pb2.SessionOutput) -> None:
        """Acts on one output; the link's own (accept, credit, end) are none of the semantics' business."""
        handler = self._handlers.get(output.WhichOneof("output") or "")
        if handler is not None:
            handler(output)

    def _text(self, output: worker_pb2.SessionOutput) -> None:
        response = self._answers.of_worker(output.text.response_id)
        if response is not None:
            response.text(output.text.delta)

    def _words(self, output: worker_pb2.SessionOutput) -> None:
        words = output.transcript
        response = self._answers.of_worker(words.response_id)
        if response is not None:
            response.words(words.delta, words.audio_start_us)

    def _function_call(self, output: worker_pb2.SessionOutput) -> None:
        response = self._answers.of_worker(output.function_call.response_id)
        if response is not None:
            response.function_call(output.function_call)

    def _response_started(self, output: worker_pb2.SessionOutput) -> None:
        self._answers.of_worker(output.response_started.response_id)

    def _turn(self, output: worker_pb2.SessionOutput) -> None:
        if self._state.model.detects_turns:
            self._turns.worker_turn(output.turn)

    def _error(self, output: worker_pb2.SessionOutput) -> None:
        misused = output.error.family == worker_pb2.SessionError.FAMILY_INVALID_REQUEST
        kind = "invalid_request_error" if misused else "server_error"
        message = output.error.message or "The model had a problem."
        code = output.error.code or "worker_error"
        self._state.outbox.event(server_events.error(kind=kind, code=code, message=message))
