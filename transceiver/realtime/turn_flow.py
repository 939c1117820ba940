"""What turns make of a session: items of what was said, interruptions, answers."""

from collections.abc import Iterable

from offhook_proto.worker.v1 import worker_pb2

from transceiver.realtime import to_worker
from transceiver.realtime.answering import Answers
from transceiver.realtime.effects import ForgetTurn
from transceiver.realtime.input_audio import Utterance
from transceiver.realtime.schema import server_events
from transceiver.realtime.schema.items import InputAudio, UserMessage
from transceiver.realtime.state import SessionState
from transceiver.realtime.transcribing import InputTranscriptions

_Turn = worker_pb2.TurnEvent


class TurnFlow:
    """Turns of the caller, whoever finds them: the fabric, the worker, or the client by hand."""

    def __init__(self, state: SessionState, answers: Answers, transcriptions: InputTranscriptions) -> None:
        self._state = state
        self._answers = answers
        self._transcriptions = transcriptions
        self._last: Utterance | None = None

    # Found by the fabric

    def speech_started(self, start_us: int) -> None:
        """The caller begins to speak."""
        utterance = self._started(start_us, None)
        self._tell_worker(_Turn.KIND_SPEECH_STARTED, utterance)
        self._interrupt()

    def speech_stopped(self, end_us: int) -> None:
        """The caller has finished: what was said is an item, and is answered if the session wants that."""
        utterance = self._state.input_audio.speech_stopped(end_us)
        self._state.outbox.event(server_events.speech_stopped(utterance.item_id, end_us // 1000))
        self._tell_worker(_Turn.KIND_SPEECH_STOPPED, utterance)
        self._commit(utterance)
        self._answer()

    def idle_timeout(self, start_us: int, end_us: int) -> None:
        """The caller has said nothing after an answer: the silence is an item, and is answered."""
        utterance = self._state.input_audio.speech_stopped(end_us)
        event = server_events.timeout_triggered(utterance.item_id, start_us // 1000, end_us // 1000)
        self._state.outbox.event(event)
        self._commit(Utterance(utterance.item_id, start_us, end_us))
        self._answer()

    # Found by the worker

    def worker_turn(self, turn: worker_pb2.TurnEvent) -> None:
        """A model that detects turns itself has found one. It answers by itself, too."""
        item_id = turn.item_id or None
        if item_id is not None and self._state.conversation.has(item_id):
            return
        if turn.kind == _Turn.KIND_SPEECH_STARTED:
            self._started(turn.start_us, item_id)
            self._interrupt()
        elif turn.kind == _Turn.KIND_SPEECH_STOPPED:
            speaking = self._state.input_audio.speaking
            if speaking is not None:
                self._state.outbox.event(server_events.speech_stopped(speaking, turn.end_us // 1000))
        elif turn.kind == _Turn.KIND_COMMITTED:
            self._commit(self._state.input_audio.speech_stopped(turn.end_us, item_id), tell_worker=False)
        elif turn.kind == _Turn.KIND_CLEARED:
            self._state.input_audio.clear()
            self._transcriptions.cleared()

    # By hand

    def commit(self) -> None:
        """The client's `input_audio_buffer.commit`.

        Raises:
            EventError: hardly anything is in the buffer.
        """
        utterance = self._state.input_audio.commit()
        self._state.outbox.add(ForgetTurn(utterance.end_us))
        self._commit(utterance)

    def clear(self) -> None:
        """The client's `input_audio_buffer.clear`."""
        void = self._state.input_audio.clear()
        self._transcriptions.cleared()
        self._state.outbox.add(ForgetTurn(void.end_us))
        self._tell_worker(_Turn.KIND_CLEARED, void)
        self._state.outbox.event(server_events.audio_cleared())

    def forget(self, evicted: Iterable[str]) -> None:
        """The oldest items went for a new one: the worker forgets them, too."""
        for item_id in evicted:
            self._state.outbox.worker(to_worker.deleted(item_id))

    # For a worker that takes over

    @property
    def unheard(self) -> Utterance | None:
        """A turn of which there is only its audio: the one under way, or the last one if nothing followed it."""
        if (under_way := self._state.input_audio.under_way) is not None:
            return under_way
        last = self._last
        if last is None or self._state.conversation.last_id != last.item_id:
            return None
        return last if self._transcriptions.awaits(last.item_id) else None

    def again(self) -> worker_pb2.SessionInput | None:
        """What tells the next worker of it, after its audio."""
        utterance = self.unheard
        if utterance is None or self._state.model.detects_turns:
            return None
        is_over = self._state.conversation.has(utterance.item_id)
        return to_worker.turn(_Turn.KIND_COMMITTED if is_over else _Turn.KIND_SPEECH_STARTED, utterance)

    # Inside

    def _started(self, start_us: int, item_id: str | None) -> Utterance:
        utterance = self._state.input_audio.speech_started(start_us, item_id)
        self._state.outbox.event(server_events.speech_started(utterance.item_id, start_us // 1000))
        return utterance

    def _commit(self, utterance: Utterance, *, tell_worker: bool = True) -> None:
        state = self._state
        state.outbox.event(server_events.audio_committed(utterance.item_id, state.conversation.last_id))
        item = UserMessage(id=utterance.item_id, content=[InputAudio()])
        self.forget(state.conversation.append(item))
        state.conversation.finish(item)
        self._last = utterance
        if tell_worker:
            self._tell_worker(_Turn.KIND_COMMITTED, utterance)
        self._transcriptions.committed(utterance)

    def _interrupt(self) -> None:
        detection = self._state.configuration.turn_detection
        if detection is None or detection.interrupt_response:
            self._answers.interrupt()

    def _answer(self) -> None:
        detection = self._state.configuration.turn_detection
        if detection is not None and detection.create_response:
            self._answers.turn_over()

    def _tell_worker(self, kind: "worker_pb2.TurnEvent.Kind.ValueType", utterance: Utterance) -> None:
        if not self._state.model.detects_turns or kind == _Turn.KIND_COMMITTED:
            self._state.outbox.worker(to_worker.turn(kind, utterance))
