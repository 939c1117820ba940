"""The client's events, each in its handler."""

import base64
import binascii
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter

from transceiver.realtime import to_worker
from transceiver.realtime.answering import Answers
from transceiver.realtime.effects import AppendAudio, DetectTurns
from transceiver.realtime.errors import EventError
from transceiver.realtime.ids import new_id
from transceiver.realtime.schema import client_events as client
from transceiver.realtime.schema import server_events
from transceiver.realtime.schema.base import read
from transceiver.realtime.schema.items import (
    AssistantMessage,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    Item,
    McpApprovalResponse,
    OutputAudio,
    UserMessage,
    as_json,
    without_nulls,
)
from transceiver.realtime.schema.session import PcmFormat
from transceiver.realtime.state import SessionState
from transceiver.realtime.turn_flow import TurnFlow

MAX_APPEND_CHARACTERS = 15 * 1024 * 1024 * 4 // 3
"""15 MiB of audio in one event, in base64."""

E = TypeVar("E")


class _Kind(NamedTuple):
    model: TypeAdapter[Any]
    handle: Callable[[Any], None]


class ClientRequests:
    """Acts on client events. Whatever is wrong with one raises EventError and changes nothing."""

    def __init__(self, state: SessionState, answers: Answers, turns: TurnFlow) -> None:
        self._state = state
        self._answers = answers
        self._turns = turns
        self._kinds = {
            "session.update": _kind(client.SessionUpdate, self._update_session),
            "input_audio_buffer.append": _kind(client.AppendAudio, self._append_audio),
            "input_audio_buffer.commit": _kind(client.CommitAudio, self._commit_audio),
            "input_audio_buffer.clear": _kind(client.ClearAudio, self._clear_audio),
            "output_audio_buffer.clear": _kind(client.ClearOutput, self._clear_output),
            "conversation.item.create": _kind(client.CreateItem, self._create_item),
            "conversation.item.retrieve": _kind(client.RetrieveItem, self._retrieve_item),
            "conversation.item.truncate": _kind(client.TruncateItem, self._truncate_item),
            "conversation.item.delete": _kind(client.DeleteItem, self._delete_item),
            "response.create": _kind(client.CreateResponse, self._create_response),
            "response.cancel": _kind(client.CancelResponse, self._cancel_response),
        }

    def handle(self, event: dict[str, Any]) -> None:
        """Acts on one event.

        Raises:
            EventError: it is refused.
        """
        name = event.get("type")
        if name is None:
            raise EventError("Missing required parameter: 'type'.", code="missing_required_parameter", param="type")
        kind = self._kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            supported = ", ".join(f"'{each}'" for each in self._kinds)
            message = f"Invalid value: '{str(name)[:64]}'. Supported values are: {supported}."
            raise EventError(message, code="invalid_value", param="type")
        if "item" in event:
            event = event | {"item": without_nulls(event["item"])}
        kind.handle(read(kind.model, event, ""))

    # Session

    def _update_session(self, event: client.SessionUpdate) -> None:
        state, configuration = self._state, self._state.configuration
        turns_before = configuration.turn_detection
        before, given_before = configuration.current, configuration.given
        configuration.update(event.session, has_spoken=self._answers.has_spoken)
        try:
            update = self._answers.worker_update()
        except EventError:
            configuration.restore(before, given_before)
            raise
        state.outbox.worker(update)
        if configuration.turn_detection != turns_before:
            state.outbox.add(DetectTurns(configuration.turn_detection))
        state.outbox.event(server_events.session_updated(configuration.as_json()))
        state.mcp.configure(configuration.tools)

    # Audio

    def _append_audio(self, event: client.AppendAudio) -> None:
        if not self._state.transport.carries_audio:
            raise EventError(
                f"Audio of a {self._state.transport.name} session travels on its media track, not in events.",
                code="invalid_event_for_transport",
                param="type",
            )
        if len(event.audio) > MAX_APPEND_CHARACTERS:
            raise EventError("Invalid 'audio': longer than 15 MiB.", code="string_above_max_length", param="audio")
        is_pcm = isinstance(self._state.configuration.input.format, PcmFormat)
        audio = _decode_audio(event.audio)
        if is_pcm and len(audio) % 2:
            message = "Invalid 'audio'. Expected 16-bit samples, but got an odd number of bytes."
            raise EventError(message, code="invalid_value", param="audio")
        duration_us = len(audio) * 1_000_000 // (48_000 if is_pcm else 8000)
        begin_us = self._state.input_audio.end_us
        self._state.input_audio.received(begin_us + duration_us)
        if audio:
            self._state.outbox.add(AppendAudio(audio, begin_us, duration_us))

    def _commit_audio(self, _event: client.CommitAudio) -> None:
        self._turns.commit()

    def _clear_audio(self, _event: client.ClearAudio) -> None:
        self._turns.clear()

    def _clear_output(self, _event: client.ClearOutput) -> None:
        if self._state.transport.carries_audio:
            raise EventError(
                "'output_audio_buffer.clear' is for WebRTC and SIP sessions; here the client plays the audio.",
                code="invalid_event_for_transport",
                param="type",
            )
        self._answers.clear_output()

    # Conversation

    def _create_item(self, event: client.CreateItem) -> None:
        state, item = self._state, event.item
        self._check_new(item)
        if isinstance(item, McpApprovalResponse):
            self._answer_approval(item, event.previous_item_id)
            return
        position = state.conversation.position_after(event.previous_item_id)
        at_end = position == len(state.conversation)
        item.id = item.id or new_id("item")
        item.status = "completed"
        if isinstance(item, FunctionCall):
            item.call_id = item.call_id or new_id("call")
        inputs = to_worker.appended(item) if at_end else []
        # Built before anything changes: an image that is none is refused here.
        inputs = inputs or [to_worker.inserted(item, self._before(position))]
        self._turns.forget(state.conversation.insert(item, position))
        state.conversation.finish(item)
        for message in inputs:
            state.outbox.worker(message)

    def _answer_approval(self, answer: McpApprovalResponse, previous_item_id: str | None) -> None:
        state = self._state
        state.mcp.check_answer(answer)
        answer.id = answer.id or new_id("item")
        self._turns.forget(state.conversation.insert(answer, state.conversation.position_after(previous_item_id)))
        state.conversation.finish(answer)
        state.mcp.answered(answer)

    def _before(self, position: int) -> str | None:
        """The last item before it that the worker knows."""
        items = list(self._state.conversation)[:position]
        return next((item.id for item in reversed(items) if to_worker.history_items(item)), None)

    def _check_new(self, item: Item) -> None:
        state = self._state
        if item.id is not None and state.conversation.has(item.id):
            message = f"Error creating item: an item with id '{item.id}' already exists."
            raise EventError(message, code="item_create_duplicate_item_id", param="item.id")
        if isinstance(item, FunctionCallOutput) and not state.conversation.has_call(item.call_id):
            message = f"Tool call ID '{item.call_id}' not found in conversation."
            raise EventError(message, code="invalid_tool_call_id", param="item.call_id")
        if isinstance(item, UserMessage | AssistantMessage):
            for index, part in enumerate(item.content):
                self._check_part(part, f"item.content[{index}]")

    def _check_part(self, part: object, path: str) -> None:
        if isinstance(part, InputAudio | OutputAudio) and part.transcript is None:
            message = f"'{path}' needs a transcript: audio of earlier conversations cannot be heard again."
            raise EventError(message, code="unsupported_content_type", param=path)
        if isinstance(part, InputImage) and not self._state.model.sees_images:
            message = f"The model '{self._state.model.name}' takes no images."
            raise EventError(message, code="unsupported_content_type", param=path)

    def _retrieve_item(self, event: client.RetrieveItem) -> None:
        item = self._state.conversation.get(event.item_id)
        if item is None:
            raise _no_such_item("retrieving", "retrieve", event.item_id)
        self._state.outbox.event(server_events.item_retrieved(as_json(item)))

    def _truncate_item(self, event: client.TruncateItem) -> None:
        item = self._state.conversation.get(event.item_id)
        if item is None:
            raise _no_such_item("truncating", "truncate", event.item_id)
        parts = item.content if isinstance(item, AssistantMessage) else []
        part = parts[event.content_index] if event.content_index < len(parts) else None
        if not isinstance(part, OutputAudio):
            raise EventError(
                "Only model output audio messages can be truncated", code="unsupported_content_type", param="item_id"
            )
        # Clients truncate what they have played to the end as well: that is no fault, and cuts nothing.
        end_us = self._answers.truncate(event.item_id, event.audio_end_ms * 1000)
        if end_us is None:
            end_us = event.audio_end_ms * 1000
            part.transcript = None
        self._state.outbox.worker(to_worker.truncated(event.item_id, event.content_index, end_us))
        self._state.outbox.event(server_events.item_truncated(event.item_id, event.content_index, end_us // 1000))

    def _delete_item(self, event: client.DeleteItem) -> None:
        self._state.conversation.delete(event.item_id)
        self._state.outbox.worker(to_worker.deleted(event.item_id))

    # Responses

    def _create_response(self, event: client.CreateResponse) -> None:
        try:
            self._answers.request(event.response)
        except EventError as error:
            # The Agents SDK frees its queue of responses by this word where an error has no code that it knows.
            if "response.create" not in error.message:
                error.message += " (response.create)"
            raise

    def _cancel_response(self, event: client.CancelResponse) -> None:
        self._answers.cancel(event.response_id)


def _kind(model: type[E], handle: Callable[[E], None]) -> _Kind:
    return _Kind(TypeAdapter(model), handle)


def _decode_audio(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise EventError(
            "Invalid 'audio'. Expected base64-encoded audio bytes.", code="invalid_value", param="audio"
        ) from None


def _no_such_item(doing: str, action: str, item_id: str) -> EventError:
    message = f"Error {doing} item: the item with id '{item_id[:64]}' does not exist."
    return EventError(message, code=f"item_{action}_invalid_item_id", param="item_id")
