"""One response: what the worker sends of it, told to the client as items, parts and deltas."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from offhook_proto.worker.v1 import worker_pb2

from transceiver.realtime import to_worker
from transceiver.realtime.conversation import Conversation
from transceiver.realtime.effects import Discard, Outbox, Play
from transceiver.realtime.ids import new_id
from transceiver.realtime.mcp import McpTools
from transceiver.realtime.schema import server_events
from transceiver.realtime.schema.items import (
    AssistantMessage,
    FunctionCall,
    Item,
    McpApprovalRequest,
    McpCall,
    OutputAudio,
    OutputText,
    as_json,
)
from transceiver.realtime.schema.session import Tool
from transceiver.realtime.transcript import Transcript

MAX_TEXT = 1024 * 1024
"""Characters of one response, all parts together; what goes beyond is dropped (drop_newest)."""
MAX_OUTPUT_ITEMS = 64

Reason = Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a response ended; `error` is its type, code and message where it failed."""

    status: Literal["completed", "cancelled", "failed", "incomplete"]
    reason: Reason | None = None
    error: dict[str, str] | None = None

    def details(self) -> dict[str, Any] | None:
        """`status_details` of the response object."""
        if self.status == "completed":
            return None
        details: dict[str, Any] = {"type": self.status}
        if self.reason is not None:
            details["reason"] = self.reason
        if self.error is not None:
            details["error"] = self.error
        return details


COMPLETED = Outcome("completed")


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """What a response is to be; `echo` holds the fields of the response object that repeat what was asked."""

    id: str
    text_only: bool
    in_conversation: bool
    echo: dict[str, Any] = field(default_factory=dict)
    request: worker_pb2.ResponseRequest | None = None
    """As the worker was asked; None where it speaks unasked."""
    tools: Sequence[Tool] = ()


class Response:
    """Collects the worker's output and emits the events for it, in the API's order.

    Args:
        conversation: takes the items, where they are part of it.
        mcp: runs the calls of MCP tools.
        plays_out: the fabric plays the audio; otherwise it goes out in events.
    """

    def __init__(
        self, spec: ResponseSpec, conversation: Conversation, outbox: Outbox, mcp: McpTools, *, plays_out: bool
    ) -> None:
        self.spec = spec
        self.received_us = 0
        """Audio that has come, by its duration."""
        self.last_output_at = 0.0
        self.message: AssistantMessage | None = None
        self.transcript = Transcript()
        self._conversation = conversation
        self._outbox = outbox
        self._mcp = mcp
        self._plays_out = plays_out
        self._items: list[Item] = []
        self._index: dict[str, int] = {}
        self._calls: dict[str, FunctionCall | McpCall | McpApprovalRequest] = {}
        self._parts: dict[str, int] = {}
        self._characters = 0
        self._complete: set[str] = set()

    @property
    def id(self) -> str:
        """As client and worker know it."""
        return self.spec.id

    @property
    def has_begun(self) -> bool:
        """Whether the client has been told anything of it."""
        return bool(self._items)

    @property
    def message_id(self) -> str | None:
        """Id of the message item, once there is one."""
        return self.message.id if self.message is not None else None

    @property
    def audio_index(self) -> int | None:
        """Index of the spoken part among the message's; None if nothing is spoken."""
        return self._parts.get("audio")

    def as_json(self, outcome: Outcome | None = None, usage: worker_pb2.Usage | None = None) -> dict[str, Any]:
        """The response object; in progress without an outcome."""
        return {
            "object": "realtime.response",
            "id": self.spec.id,
            "status": outcome.status if outcome is not None else "in_progress",
            "status_details": outcome.details() if outcome is not None else None,
            "output": [as_json(item) for item in self._items],
            "conversation_id": self._conversation.id if self.spec.in_conversation else None,
            "usage": usage_as_json(usage or worker_pb2.Usage()) if outcome is not None else None,
            **self.spec.echo,
        }

    # What the worker sends

    def audio(self, frame: worker_pb2.AudioFrame) -> None:
        """One frame, in the format that leaves towards the client."""
        if self.spec.text_only:
            self._outbox.add(Discard(frame.duration_us))
            return
        place = self._part("audio")
        self.received_us += frame.duration_us
        if self._plays_out:
            self._outbox.add(Play(frame, self.spec.id))
        else:
            delta = base64.b64encode(frame.payload).decode()
            self._outbox.event(server_events.audio_delta(place, delta))

    def words(self, delta: str, audio_start_us: int) -> None:
        """Words of the audio; the whole of the answer where the client wants text only."""
        if self.spec.text_only:
            self.text(delta)
        elif self._has_room(delta):
            place = self._part("audio")
            self.transcript.add(delta, audio_start_us)
            self._outbox.event(server_events.transcript_delta(place, delta))

    def text(self, delta: str) -> None:
        """Text that is not spoken."""
        if self._has_room(delta):
            place = self._part("text")
            assert self.message is not None
            part = self.message.content[self._parts["text"]]
            assert isinstance(part, OutputText)
            part.text += delta
            self._outbox.event(server_events.text_delta(place, delta))

    def function_call(self, delta: worker_pb2.FunctionCallDelta) -> None:
        """A function call, in one piece or in several; one that is done is done."""
        call = self._calls.get(delta.call_id) or self._begin_call(delta)
        if call is None or call.status == "completed" or not self._has_room(delta.arguments_delta):
            return
        if isinstance(call, FunctionCall):
            self._call_function(call, delta)
        else:
            self._call_mcp_tool(call, delta)

    @property
    def waits_for_tools(self) -> bool:
        """Whether an MCP server is still working on a call of this response."""
        return any(isinstance(call, McpCall) and call.status == "in_progress" for call in self._calls.values())

    def _call_function(self, call: FunctionCall, delta: worker_pb2.FunctionCallDelta) -> None:
        assert call.call_id is not None
        place = self._place(call)
        if delta.arguments_delta:
            call.arguments += delta.arguments_delta
            self._outbox.event(server_events.arguments_delta(place, call.call_id, delta.arguments_delta))
        if delta.done:
            call.arguments = call.arguments or "{}"
            call.status = "completed"
            self._outbox.event(server_events.arguments_done(place, call.call_id, call.name, call.arguments))
            self._finish_item(call)

    def _call_mcp_tool(self, call: McpCall | McpApprovalRequest, delta: worker_pb2.FunctionCallDelta) -> None:
        place = self._place(call)
        call.arguments += delta.arguments_delta
        if isinstance(call, McpCall) and delta.arguments_delta:
            self._outbox.event(server_events.mcp_arguments_delta(place, delta.arguments_delta))
        if not delta.done or call.id in self._complete:
            return
        self._complete.add(call.id)
        call.arguments = call.arguments or "{}"
        if isinstance(call, McpCall):
            self._outbox.event(server_events.mcp_arguments_done(place, call.arguments))
            self._mcp.run(call, delta.call_id, self._index[call.id], self._finish_item)
        else:
            call.status = "completed"
            self._finish_item(call)
            self._mcp.ask(call, delta.call_id)

    def finish(self, outcome: Outcome, usage: worker_pb2.Usage | None = None) -> None:
        """Ends what is open, and the response."""
        status: Literal["completed", "incomplete"] = "completed" if outcome.status == "completed" else "incomplete"
        if self.message is not None:
            self._finish_parts(self.message)
            self.message.status = status
            self._finish_item(self.message)
        for call in self._calls.values():
            if call.status == "in_progress":
                call.status = "incomplete"
                self._finish_item(call)
        self._outbox.event(server_events.response_done(self.as_json(outcome, usage)))

    def cut(self, at_us: int) -> int:
        """Forgets what was said from `at_us` on; returns where the audio ends now, in microseconds."""
        end_us = min(at_us, self.received_us)
        words = self.transcript.cut(end_us, self.received_us)
        if self.message is not None and "audio" in self._parts:
            part = self.message.content[self._parts["audio"]]
            if isinstance(part, OutputAudio):
                part.transcript = words
        self.received_us = end_us
        return end_us

    # Items and parts

    def _has_room(self, delta: str) -> bool:
        self._characters += len(delta)
        return self._characters <= MAX_TEXT

    def _place(self, item: Item, content_index: int | None = None) -> dict[str, object]:
        place: dict[str, object] = {
            "response_id": self.spec.id,
            "item_id": item.id,
            "output_index": self._index[item.id or ""],
        }
        if content_index is not None:
            place["content_index"] = content_index
        return place

    def _part(self, kind: Literal["audio", "text"]) -> dict[str, object]:
        """Where a delta of this kind belongs; begins the message and the part if need be."""
        message = self.message
        if message is None:
            message = self.message = AssistantMessage(id=new_id("item"), status="in_progress", content=[])
            self._begin_item(message)
        index = self._parts.get(kind)
        if index is None:
            index = self._parts[kind] = len(message.content)
            message.content.append(OutputAudio(transcript="") if kind == "audio" else OutputText(text=""))
            empty = {"type": "audio", "transcript": ""} if kind == "audio" else {"type": "text", "text": ""}
            self._outbox.event(server_events.content_part_added(self._place(message, index), empty))
        return self._place(message, index)

    def _begin_call(self, delta: worker_pb2.FunctionCallDelta) -> FunctionCall | McpCall | McpApprovalRequest | None:
        if len(self._items) >= MAX_OUTPUT_ITEMS:
            return None
        call = self._mcp.begin(delta.name, self.spec.tools) or FunctionCall(
            id=new_id("item"),
            status="in_progress",
            call_id=delta.call_id or new_id("call"),
            name=delta.name,
            arguments="",
        )
        self._calls[delta.call_id] = call
        self._begin_item(call, call.call_id if isinstance(call, FunctionCall) else delta.call_id)
        return call

    def _begin_item(self, item: Item, call_id: str | None = None) -> None:
        assert item.id is not None
        self._index[item.id] = len(self._items)
        self._items.append(item)
        self._outbox.event(server_events.output_item_added(self.spec.id, len(self._items) - 1, as_json(item)))
        if self.spec.in_conversation:
            for evicted in self._conversation.append(item):
                self._outbox.worker(to_worker.deleted(evicted))
            self._outbox.worker(to_worker.response_item(self.spec.id, item.id, call_id or ""))

    def _finish_item(self, item: Item) -> None:
        if self.spec.in_conversation:
            self._conversation.finish(item)
        index = self._index[item.id or ""]
        self._outbox.event(server_events.output_item_done(self.spec.id, index, as_json(item)))

    def _finish_parts(self, message: AssistantMessage) -> None:
        for kind, index in self._parts.items():
            place, part = self._place(message, index), message.content[index]
            if isinstance(part, OutputText):
                self._outbox.event(server_events.text_done(place, part.text))
                self._outbox.event(server_events.content_part_done(place, {"type": kind, "text": part.text}))
            elif isinstance(part, OutputAudio):
                part.transcript = self.transcript.text
                self._outbox.event(server_events.audio_done(place))
                self._outbox.event(server_events.transcript_done(place, part.transcript))
                done = {"type": kind, "transcript": part.transcript}
                self._outbox.event(server_events.content_part_done(place, done))


def usage_as_json(usage: worker_pb2.Usage) -> dict[str, Any]:
    """The usage object, complete in any case: clients read its details without asking."""
    input_tokens = usage.input_text_tokens + usage.input_audio_tokens + usage.input_image_tokens
    output_tokens = usage.output_text_tokens + usage.output_audio_tokens
    return {
        "total_tokens": input_tokens + output_tokens,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "input_token_details": {
            "text_tokens": usage.input_text_tokens,
            "audio_tokens": usage.input_audio_tokens,
            "image_tokens": usage.input_image_tokens,
            "cached_tokens": usage.input_cached_tokens,
            "cached_tokens_details": {"text_tokens": usage.input_cached_tokens, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {
            "text_tokens": usage.output_text_tokens,
            "audio_tokens": usage.output_audio_tokens,
        },
    }
