"""One call between the fabric and a Realtime server: each side's events in, the other's out. Sans-IO."""

import base64
import binascii
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.audio import Audio
from offhook_worker.bridge.faults import Fault, UpstreamFault
from offhook_worker.bridge.realtime.dialect import Dialect
from offhook_worker.bridge.realtime.hearing import Ear
from offhook_worker.bridge.realtime.replies import Answer, Answers, read_error
from offhook_worker.bridge.realtime.requests import ASIDE, ClientEvent, Requests, answer_of
from offhook_worker.bridge.settings import RealtimeServer
from offhook_worker.conversation import Conversation, FunctionCalled, Message, read_items
from offhook_worker.events import (
    ConfigUpdated,
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
from offhook_worker.model import AudioFormat
from offhook_worker.outputs import InputTranscription, Output, ResponseStarted, Text
from offhook_worker.utterance import Utterance

MAX_NAMES = 1000
"""Items whose two names are remembered."""
_Reader = Callable[[Mapping[str, Any]], Iterator[Output | None]]
_NOT_TRANSCRIBED = "The model failed to transcribe the audio."


class Translator:
    """One call.

    Args:
        config: the session's configuration, as it opens.
        history: the conversation so far, of a call that moved here.
    """

    def __init__(
        self,
        server: RealtimeServer,
        config: worker_pb2.SessionConfig,
        history: tuple[worker_pb2.HistoryItem, ...],
        output_format: AudioFormat,
    ) -> None:
        self._server = server
        self._config = config
        self._requests = Requests(Dialect.GA, server)
        self._ear = Ear(server.rate_hz, own_turns=server.own_turns)
        self._answers = Answers(output_format)
        self._conversation = Conversation(history)
        self._typed: list[TextInput | ImageInput] = []
        self._commits: deque[str] = deque(maxlen=MAX_NAMES)
        self._upstream_names: dict[str, str] = {}
        self._our_names: dict[str, str] = {}
        self._turn_start_us = self._turn_end_us = 0
        self._readers: Mapping[str, _Reader] = {
            "response.created": self._begun,
            "response.done": self._done,
            "response.output_audio.delta": self._audio,
            "response.audio.delta": self._audio,
            "response.output_audio_transcript.delta": self._words,
            "response.audio_transcript.delta": self._words,
            "response.output_text.delta": self._text,
            "response.text.delta": self._text,
            "response.output_item.done": self._item_done,
            "response.function_call_arguments.done": self._arguments_done,
            "input_audio_buffer.committed": self._committed,
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "conversation.item.input_audio_transcription.delta": self._heard,
            "conversation.item.input_audio_transcription.completed": self._transcribed,
            "conversation.item.input_audio_transcription.failed": self._not_transcribed,
            "error": self._error,
        }

    # -- towards the server ------------------------------------------------------------------------------------------

    def connected(self, dialect: Dialect) -> list[ClientEvent]:
        """A new connection whose server has said hello: it is told everything."""
        self._requests = Requests(dialect, self._server)
        self._ear.restart()
        self._typed.clear()
        self._commits.clear()
        self._upstream_names.clear()
        self._our_names.clear()
        events = [self._requests.session_update(self._config)]
        events += [made for item in self._conversation if (made := self._requests.create(item)) is not None]
        return [*events, *map(self._respond, self._answers.asked)]

    def event(self, event: Event) -> list[ClientEvent]:
        """What an event of the fabric's means to the server."""
        match event:
            case Audio():
                return list(self._ear.hear(event, self._requests))
            case TextInput() | ImageInput():
                return self._type(event)
            case _:
                return [*self._flush(), *self._other(event)]

    def _other(self, event: Event) -> Iterator[ClientEvent]:
        match event:
            case TurnEvent() if not self._server.own_turns:
                if event.kind is TurnKind.COMMITTED:
                    self._conversation.said(event.item_id, self._ear.utterance(event))
                    self._commits.append(event.item_id)
                yield from self._ear.turn(event, self._requests)
            case ResponseRequested():
                self._answers.ask(event.request)
                yield self._respond(event.request)
            case Interrupted():
                yield from self._interrupt(event)
            case ToolResult():
                self._conversation.returned(event)
                yield from self._created(event)
            case ResponseItem():
                self._name(event)
            case HistoryEdited():
                yield from self._edit(event)
            case ConfigUpdated():
                self._config = event.config
                yield self._requests.session_update(event.config)

    def _respond(self, request: worker_pb2.ResponseRequest) -> ClientEvent:
        return self._requests.respond(request, self._config, read_items(request.input))

    def _type(self, part: TextInput | ImageInput) -> list[ClientEvent]:
        """A message with several parts comes part by part, so it leaves with whatever follows it."""
        events = self._flush() if self._typed and self._typed[0].item_id != part.item_id else []
        self._typed.append(part)
        if isinstance(part, TextInput):
            self._conversation.typed(part)
        else:
            self._conversation.shown(part)
        return events

    def _flush(self) -> list[ClientEvent]:
        if not self._typed:
            return []
        item_id = self._typed[0].item_id
        self._typed.clear()
        whole = next((each for each in reversed(self._conversation.items) if each.item_id == item_id), None)
        return list(self._created(whole)) if whole is not None else []

    def _created(self, item: Message | FunctionCalled | ToolResult, after: str | None = None) -> Iterator[ClientEvent]:
        made = self._requests.create(item, after)
        if made is not None:
            yield made

    def _interrupt(self, event: Interrupted) -> Iterator[ClientEvent]:
        self._conversation.interrupted(event)
        answer = self._answers.interrupt(event.response_id)
        if answer is None:
            return
        if not answer.is_done:
            yield self._requests.cancel(answer.upstream_id)
        if answer.item_id and answer.clock.position_us:
            heard_us = min(event.played_us, answer.clock.position_us)
            if heard_us < 1000:
                yield self._requests.delete(answer.item_id)
            else:
                yield self._requests.truncate(answer.item_id, answer.content_index, heard_us)

    def _name(self, name: ResponseItem) -> None:
        self._conversation.named(name)
        answer = self._answers.named(name.response_id)
        upstream = self._our_names.get(name.call_id) if name.call_id else answer.item_id if answer else None
        if upstream:
            self._join(name.item_id, upstream)

    def _edit(self, event: HistoryEdited) -> Iterator[ClientEvent]:
        self._conversation.edited(event)
        edit = event.edit
        match edit.WhichOneof("edit"):
            case "insert":
                previous = edit.insert.previous_item_id
                after = self._upstream_names.get(previous, previous) if previous else "root"
                for item in read_items([edit.insert.item]):
                    yield from self._created(item, after)
            case "delete_item_id":
                yield self._requests.delete(self._upstream_names.get(edit.delete_item_id, edit.delete_item_id))
            case "truncate":
                cut = edit.truncate
                item_id = self._upstream_names.get(cut.item_id, cut.item_id)
                yield self._requests.truncate(item_id, cut.content_index, cut.audio_end_us)

    def _join(self, ours: str, theirs: str) -> None:
        self._upstream_names[ours], self._our_names[theirs] = theirs, ours
        for names in (self._upstream_names, self._our_names):
            if len(names) > MAX_NAMES:
                names.pop(next(iter(names)))

    # -- towards the fabric ------------------------------------------------------------------------------------------

    def read(self, event: Mapping[str, Any]) -> tuple[list[Output], list[ClientEvent]]:
        """What an event of the server's means to the fabric, and what the server is to be told at once.

        Raises:
            UpstreamFault: it makes no sense.
        """
        reader = self._readers.get(str(event.get("type")))
        if reader is None:
            return [], []
        try:
            outputs = [output for output in reader(event) if output is not None]
        except (LookupError, TypeError, ValueError, AttributeError, binascii.Error) as error:
            raise UpstreamFault(Fault.BROKEN, "realtime", f"a bad {event.get('type')}") from error
        cancelled = []
        if event.get("type") == "response.created":
            answer = self._answers.upstream(event["response"].get("id"))
            if answer is not None and answer.is_void:
                cancelled, outputs = [self._requests.cancel(answer.upstream_id)], []
        return outputs, cancelled

    def lost(self, fault: UpstreamFault) -> list[Output]:
        """The connection is gone."""
        return list(self._answers.lost(fault.error))

    def _begun(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        answer, was_asked = self._answers.begun(event["response"])
        if not was_asked:
            yield ResponseStarted(answer.response_id)

    def _done(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        yield self._answers.done(event["response"])

    def _audio(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        if (answer := self._wanted(event)) is not None:
            answer.item_id = str(event.get("item_id", answer.item_id))
            answer.content_index = int(event.get("content_index", 0))
            yield from answer.speak(base64.b64decode(event["delta"], validate=True))

    def _words(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        if (answer := self._wanted(event)) is not None:
            words = answer.say(str(event["delta"]))
            self._conversation.answered(answer.response_id, words.delta, words.audio_start_us)
            yield words

    def _text(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        if (answer := self._wanted(event)) is not None:
            answer.item_id = str(event.get("item_id", answer.item_id))
            self._conversation.answered(answer.response_id, str(event["delta"]))
            yield Text(answer.response_id, str(event["delta"]))

    def _item_done(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        item, answer = event["item"], self._wanted(event)
        if answer is not None and item.get("type") == "function_call":
            yield self._call(answer, str(item["call_id"]), str(item["name"]), str(item.get("arguments") or "{}"))
            self._our_names[str(item["call_id"])] = str(item.get("id", ""))

    def _arguments_done(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        """The only sign of a call from servers that make no items of it."""
        answer = self._wanted(event)
        if answer is not None and event.get("name") and not event.get("item_id"):
            yield self._call(answer, str(event["call_id"]), str(event["name"]), str(event.get("arguments") or "{}"))

    def _call(self, answer: Answer, call_id: str, name: str, arguments: str) -> Output | None:
        call = answer.call(call_id, name, arguments)
        if call is not None:
            self._conversation.called(FunctionCalled("", call_id, name, arguments, answer.response_id))
        return call

    def _wanted(self, event: Mapping[str, Any]) -> Answer | None:
        answer = self._answers.upstream(event.get("response_id"))
        return None if answer is None or answer.is_done or answer.is_void else answer

    def _committed(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        theirs = str(event["item_id"])
        if not self._server.own_turns:
            if self._commits:
                self._join(self._commits.popleft(), theirs)
            return
        self._conversation.said(theirs, Utterance(b"", self._server.rate_hz, self._turn_start_us))
        yield TurnEvent(TurnKind.COMMITTED, theirs, self._turn_start_us, max(self._turn_start_us, self._turn_end_us))

    def _speech_started(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        if self._server.own_turns:
            self._turn_start_us = self._ear.offset_us + int(event["audio_start_ms"]) * 1000
            yield TurnEvent(TurnKind.SPEECH_STARTED, str(event["item_id"]), self._turn_start_us)

    def _speech_stopped(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        if self._server.own_turns:
            self._turn_end_us = self._ear.offset_us + int(event["audio_end_ms"]) * 1000
            yield TurnEvent(TurnKind.SPEECH_STOPPED, str(event["item_id"]), self._turn_start_us, self._turn_end_us)

    def _heard(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        if self._config.HasField("transcription"):
            yield InputTranscription(self._ours(event), delta=str(event.get("delta") or ""))

    def _transcribed(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        item_id, text = self._ours(event), str(event["transcript"])
        self._conversation.transcribed(item_id, text)
        if self._config.HasField("transcription"):
            yield InputTranscription(item_id, done=True, text=text)

    def _not_transcribed(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        if self._config.HasField("transcription"):
            yield InputTranscription(self._ours(event), failure=_NOT_TRANSCRIBED)

    def _ours(self, event: Mapping[str, Any]) -> str:
        theirs = str(event["item_id"])
        return self._our_names.get(theirs, theirs)

    def _error(self, event: Mapping[str, Any]) -> Iterator[Output | None]:
        error = event["error"]
        if error.get("event_id") == ASIDE:
            return
        response_id = answer_of(error.get("event_id"))
        if response_id is not None:
            yield self._answers.refused(response_id, read_error(error))
        else:
            yield read_error(error)
