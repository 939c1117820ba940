"""The server's events, as JSON data. Every one has an `event_id` of its own.

Shapes are those of OpenAI's specification; the tests hold each against the models of the official SDK.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from transceiver.realtime.ids import new_id
from transceiver.realtime.quota import RateLimit

Event = dict[str, Any]


def _event(kind: str, **fields: object) -> Event:
    return {"type": kind, "event_id": new_id("event"), **fields}


# Session and errors


def session_created(session: Event) -> Event:
    """The first event of every session."""
    return _event("session.created", session=session)


def session_updated(session: Event) -> Event:
    """The whole effective configuration, after a change."""
    return _event("session.updated", session=session)


def conversation_created(conversation_id: str) -> Event:
    """There is one conversation."""
    return _event("conversation.created", conversation={"id": conversation_id, "object": "realtime.conversation"})


def error(*, kind: str, code: str, message: str, param: str | None = None, event_id: str | None = None) -> Event:
    """Something was refused or went wrong; the session stays open."""
    fault = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
    return _event("error", error=fault)


# Conversation


def item_added(item: Event, previous_item_id: str | None) -> Event:
    """An item has its place; its content may still grow."""
    return _event("conversation.item.added", previous_item_id=previous_item_id, item=item)


def item_done(item: Event, previous_item_id: str | None) -> Event:
    """An item is final."""
    return _event("conversation.item.done", previous_item_id=previous_item_id, item=item)


def item_retrieved(item: Event) -> Event:
    """An item as it is now, without audio."""
    return _event("conversation.item.retrieved", item=item)


def item_truncated(item_id: str, content_index: int, audio_end_ms: int) -> Event:
    """The rest of an answer was not heard and is forgotten."""
    return _event(
        "conversation.item.truncated", item_id=item_id, content_index=content_index, audio_end_ms=audio_end_ms
    )


def item_deleted(item_id: str) -> Event:
    """An item is gone."""
    return _event("conversation.item.deleted", item_id=item_id)


def transcription_delta(item_id: str, delta: str) -> Event:
    """More of what the caller said."""
    return _event("conversation.item.input_audio_transcription.delta", item_id=item_id, content_index=0, delta=delta)


def transcription_completed(item_id: str, transcript: str, seconds: float) -> Event:
    """All that the caller said in an item; usage is by duration."""
    return _event(
        "conversation.item.input_audio_transcription.completed",
        item_id=item_id,
        content_index=0,
        transcript=transcript,
        usage={"type": "duration", "seconds": seconds},
    )


def transcription_failed(item_id: str, code: str, message: str) -> Event:
    """What the caller said in an item stays unknown. There is no `param`: the Agents SDK drops one with a null."""
    fault = {"type": "transcription_error", "code": code, "message": message}
    return _event("conversation.item.input_audio_transcription.failed", item_id=item_id, content_index=0, error=fault)


# Input audio


def speech_started(item_id: str, audio_start_ms: int) -> Event:
    """The caller begins to speak; the item will be `item_id`."""
    return _event("input_audio_buffer.speech_started", audio_start_ms=audio_start_ms, item_id=item_id)


def speech_stopped(item_id: str, audio_end_ms: int) -> Event:
    """The caller's turn is over."""
    return _event("input_audio_buffer.speech_stopped", audio_end_ms=audio_end_ms, item_id=item_id)


def timeout_triggered(item_id: str, audio_start_ms: int, audio_end_ms: int) -> Event:
    """The caller has said nothing for the idle timeout."""
    return _event(
        "input_audio_buffer.timeout_triggered",
        audio_start_ms=audio_start_ms,
        audio_end_ms=audio_end_ms,
        item_id=item_id,
    )


def audio_committed(item_id: str, previous_item_id: str | None) -> Event:
    """The buffer has become an item."""
    return _event("input_audio_buffer.committed", previous_item_id=previous_item_id, item_id=item_id)


def audio_cleared() -> Event:
    """The buffer is empty."""
    return _event("input_audio_buffer.cleared")


# Output audio, where the fabric plays it out


def output_started(response_id: str) -> Event:
    """The first audio of a response leaves."""
    return _event("output_audio_buffer.started", response_id=response_id)


def output_stopped(response_id: str) -> Event:
    """All audio of a response has left."""
    return _event("output_audio_buffer.stopped", response_id=response_id)


def output_cleared(response_id: str) -> Event:
    """The rest of a response's audio was dropped."""
    return _event("output_audio_buffer.cleared", response_id=response_id)


# MCP servers


def mcp_list_tools(state: str, item_id: str) -> Event:
    """A server is asked what it has ("in_progress"), has answered ("completed"), or has not ("failed")."""
    return _event(f"mcp_list_tools.{state}", item_id=item_id)


def mcp_call(state: str, item_id: str, output_index: int) -> Event:
    """The same of a tool that is called."""
    return _event(f"response.mcp_call.{state}", output_index=output_index, item_id=item_id)


def mcp_arguments_delta(place: Mapping[str, object], delta: str) -> Event:
    """More arguments of a call. The Agents SDK drops a delta without `obfuscation`."""
    return _event("response.mcp_call_arguments.delta", **place, delta=delta, obfuscation="")


def mcp_arguments_done(place: Mapping[str, object], arguments: str) -> Event:
    """All of them."""
    return _event("response.mcp_call_arguments.done", **place, arguments=arguments)


# Responses. `place` is where a delta belongs: response_id, item_id, output_index, content_index.


def response_created(response: Event) -> Event:
    """A response begins."""
    return _event("response.created", response=response)


def rate_limits_updated(limits: Sequence[RateLimit]) -> Event:
    """What the session's key has left, told when a response begins."""
    told = [
        {"name": each.name, "limit": each.limit, "remaining": each.remaining, "reset_seconds": round(each.reset_s, 3)}
        for each in limits
    ]
    return _event("rate_limits.updated", rate_limits=told)


def response_done(response: Event) -> Event:
    """A response is over, whatever became of it."""
    return _event("response.done", response=response)


def output_item_added(response_id: str, output_index: int, item: Event) -> Event:
    """A response has a further item."""
    return _event("response.output_item.added", response_id=response_id, output_index=output_index, item=item)


def output_item_done(response_id: str, output_index: int, item: Event) -> Event:
    """An item of a response is final."""
    return _event("response.output_item.done", response_id=response_id, output_index=output_index, item=item)


def content_part_added(place: Mapping[str, object], part: Event) -> Event:
    """An item has a further part. Its type is "audio" or "text", other than in items."""
    return _event("response.content_part.added", **place, part=part)


def content_part_done(place: Mapping[str, object], part: Event) -> Event:
    """A part is final."""
    return _event("response.content_part.done", **place, part=part)


def text_delta(place: Mapping[str, object], delta: str) -> Event:
    """More of an answer that is not spoken."""
    return _event("response.output_text.delta", **place, delta=delta)


def text_done(place: Mapping[str, object], text: str) -> Event:
    """The whole of it."""
    return _event("response.output_text.done", **place, text=text)


def audio_delta(place: Mapping[str, object], audio_base64: str) -> Event:
    """More audio, in the session's output format."""
    return _event("response.output_audio.delta", **place, delta=audio_base64)


def audio_done(place: Mapping[str, object]) -> Event:
    """No more audio."""
    return _event("response.output_audio.done", **place)


def transcript_delta(place: Mapping[str, object], delta: str) -> Event:
    """More words of a spoken answer."""
    return _event("response.output_audio_transcript.delta", **place, delta=delta)


def transcript_done(place: Mapping[str, object], transcript: str) -> Event:
    """All its words."""
    return _event("response.output_audio_transcript.done", **place, transcript=transcript)


def arguments_delta(place: Mapping[str, object], call_id: str, delta: str) -> Event:
    """More of a function call's arguments."""
    return _event("response.function_call_arguments.delta", **place, call_id=call_id, delta=delta)


def arguments_done(place: Mapping[str, object], call_id: str, name: str, arguments: str) -> Event:
    """A function call is complete: the client runs it."""
    return _event("response.function_call_arguments.done", **place, call_id=call_id, name=name, arguments=arguments)
