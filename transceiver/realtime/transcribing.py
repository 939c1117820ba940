"""The transcription of what the caller said: told when it is asked for, kept in the items in any case."""

from offhook_proto.worker.v1 import worker_pb2

from transceiver.realtime.input_audio import Utterance
from transceiver.realtime.schema import server_events
from transceiver.realtime.schema.items import InputAudio, UserMessage
from transceiver.realtime.state import SessionState

MAX_UNDER_WAY = 32
"""Items whose transcription can be under way; the oldest is forgotten for a further one (drop_oldest)."""


class InputTranscriptions:
    """Transcriptions under way: of items that are committed, and of the turn that is being spoken.

    A worker may transcribe while the caller speaks. Clients learn of an item when it is committed: words wait for that.
    """

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._seconds: dict[str, float] = {}
        self._early: dict[str, list[worker_pb2.InputTranscription]] = {}
        self._told: dict[str, str] = {}
        self._last_committed = ""

    def committed(self, utterance: Utterance) -> None:
        """The utterance is an item now: what was heard of it so far can be told."""
        self._last_committed = utterance.item_id
        self._bound(self._seconds)
        self._seconds[utterance.item_id] = utterance.seconds
        for words in self._early.pop(utterance.item_id, ()):
            self.receive(words)

    def receive(self, words: worker_pb2.InputTranscription) -> None:
        """More of what the caller said, all of it, or why there is nothing."""
        item_id = words.item_id or self._last_committed
        if item_id not in self._seconds:
            if item_id == self._state.input_audio.speaking:
                self._early.setdefault(item_id, []).append(words)
            return
        if words.delta:
            self._tell(item_id, words.delta)
        if words.HasField("error"):
            self._fail(item_id, words.error)
        elif words.done:
            self._complete(item_id, words.text)

    def awaits(self, item_id: str) -> bool:
        """Whether nobody knows yet what was said in this item."""
        return item_id in self._seconds

    def cleared(self) -> None:
        """What was being spoken is void."""
        self._early.clear()

    @property
    def _wanted(self) -> bool:
        return self._state.configuration.input.transcription is not None

    def _tell(self, item_id: str, delta: str) -> None:
        self._told[item_id] = self._told.get(item_id, "") + delta
        if self._wanted:
            self._state.outbox.event(server_events.transcription_delta(item_id, delta))

    def _complete(self, item_id: str, text: str) -> None:
        seconds = self._seconds.pop(item_id)
        told = self._told.pop(item_id, "")
        text = text or told
        item = self._state.conversation.get(item_id)
        if isinstance(item, UserMessage) and item.content and isinstance(item.content[0], InputAudio):
            item.content[0].transcript = text
        if self._wanted:
            if text and not told:
                self._state.outbox.event(server_events.transcription_delta(item_id, text))
            self._state.outbox.event(server_events.transcription_completed(item_id, text, seconds))

    def _fail(self, item_id: str, error: worker_pb2.SessionError) -> None:
        self._seconds.pop(item_id)
        self._told.pop(item_id, None)
        if self._wanted:
            code, message = error.code or "transcription_failed", error.message or "The input was not transcribed."
            self._state.outbox.event(server_events.transcription_failed(item_id, code, message))

    def _bound(self, under_way: dict[str, float]) -> None:
        while len(under_way) >= MAX_UNDER_WAY:
            oldest = next(iter(under_way))
            del under_way[oldest]
            self._told.pop(oldest, None)
