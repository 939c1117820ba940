"""What the bridge says to the server: client events of the Realtime API, GA and beta. Pure.

https://platform.openai.com/docs/api-reference/realtime-client-events
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.agent.prompts import read_tools
from offhook_worker.bridge.realtime.dialect import Dialect
from offhook_worker.bridge.settings import RealtimeServer
from offhook_worker.conversation import FunctionCalled, Item, Message
from offhook_worker.events import ImageInput, Role, ToolResult

ClientEvent = dict[str, Any]

ASIDE = "aside"
"""The event_id of what may fail without anybody having to know: there was nothing to cancel, nothing to delete."""
METADATA_KEY = "offhook_response_id"
_ANSWER = "answer_"
_ROLES = {Role.USER: "user", Role.ASSISTANT: "assistant", Role.SYSTEM: "system"}
_MODES = {worker_pb2.ToolChoice.MODE_NONE: "none", worker_pb2.ToolChoice.MODE_REQUIRED: "required"}


class Requests:
    """Client events in one dialect.

    Args:
        dialect: GA or BETA.
    """

    def __init__(self, dialect: Dialect, server: RealtimeServer) -> None:
        self._is_beta = dialect is Dialect.BETA
        self._server = server

    # -- the session -------------------------------------------------------------------------------------------------

    def session_update(self, config: worker_pb2.SessionConfig) -> ClientEvent:
        """The whole configuration; what the caller left open is the server's own default."""
        session = self._beta_session(config) if self._is_beta else self._ga_session(config)
        return {"type": "session.update", "session": {**session, **self._server.session}}

    def _ga_session(self, config: worker_pb2.SessionConfig) -> dict[str, Any]:
        pcm = {"type": "audio/pcm", "rate": self._server.rate_hz}
        heard: dict[str, Any] = {"format": pcm, "transcription": self._transcription(config), **self._turns()}
        spoken: dict[str, Any] = {"format": pcm, **self._voice(config)}
        if config.HasField("speed"):
            spoken["speed"] = config.speed
        return {
            "type": "realtime",
            "output_modalities": _modalities(config),
            "audio": {"input": heard, "output": spoken},
            **_instructions(config),
            **_tools(config),
            **({"max_output_tokens": config.max_output_tokens} if config.max_output_tokens else {}),
        }

    def _beta_session(self, config: worker_pb2.SessionConfig) -> dict[str, Any]:
        return {
            "modalities": _beta_modalities(config),
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "input_audio_transcription": self._transcription(config),
            **self._turns(),
            **self._voice(config),
            **_instructions(config),
            **_tools(config),
            **({"temperature": config.temperature} if config.HasField("temperature") else {}),
            **({"max_response_output_tokens": config.max_output_tokens} if config.max_output_tokens else {}),
        }

    def _turns(self) -> dict[str, Any]:
        if not self._server.own_turns:
            return {"turn_detection": None}
        return {"turn_detection": dict(self._server.turn_detection)} if self._server.turn_detection else {}

    def _transcription(self, config: worker_pb2.SessionConfig) -> dict[str, str] | None:
        if not (config.HasField("transcription") and self._server.transcription_model):
            return None
        wanted = {"language": config.transcription.language, "prompt": config.transcription.prompt}
        named = {"model": self._server.transcription_model}
        return {**named, **{name: value for name, value in wanted.items() if value}}

    def _voice(self, config: worker_pb2.SessionConfig) -> dict[str, str]:
        voice = self._server.voice or config.voice
        return {"voice": voice} if voice else {}

    # -- audio -------------------------------------------------------------------------------------------------------

    def append(self, pcm: bytes) -> ClientEvent:
        """More of what the caller says."""
        return {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()}

    def commit(self) -> ClientEvent:
        """The turn ends."""
        return {"type": "input_audio_buffer.commit"}

    def clear(self) -> ClientEvent:
        """What was appended since the last commit is void."""
        return {"type": "input_audio_buffer.clear", "event_id": ASIDE}

    # -- items -------------------------------------------------------------------------------------------------------

    def create(self, item: Item, previous_item_id: str | None = None) -> ClientEvent | None:
        """An item, at the end or behind another; None for one without content."""
        body = self._item(item)
        if body is None:
            return None
        event: ClientEvent = {"type": "conversation.item.create", "item": body}
        if previous_item_id is not None:
            event["previous_item_id"] = previous_item_id
        return event

    def delete(self, item_id: str) -> ClientEvent:
        """An item is no more."""
        return {"type": "conversation.item.delete", "event_id": ASIDE, "item_id": item_id}

    def truncate(self, item_id: str, content_index: int, audio_end_us: int) -> ClientEvent:
        """An answer was heard so far."""
        return {
            "type": "conversation.item.truncate",
            "event_id": ASIDE,
            "item_id": item_id,
            "content_index": content_index,
            "audio_end_ms": audio_end_us // 1000,
        }

    def _item(self, item: Item) -> dict[str, Any] | None:
        named = {"id": item.item_id} if item.item_id else {}
        match item:
            case ToolResult():
                return {**named, "type": "function_call_output", "call_id": item.call_id, "output": item.output}
            case FunctionCalled():
                call = {"call_id": item.call_id, "name": item.name, "arguments": item.arguments}
                return {**named, "type": "function_call", **call}
            case Message():
                content = list(self._content(item))
                role = _ROLES[item.role]
                return {**named, "type": "message", "role": role, "content": content} if content else None

    def _content(self, message: Message) -> Iterable[dict[str, Any]]:
        if message.role is Role.ASSISTANT:
            if message.text:
                yield {"type": "text" if self._is_beta else "output_text", "text": message.text}
            return
        if message.text:
            yield {"type": "input_text", "text": message.text}
        elif message.audio is not None and message.audio.pcm:
            yield {"type": "input_audio", "audio": base64.b64encode(message.audio.pcm).decode()}
        for image in message.images:
            yield {"type": "input_image", "image_url": _data_url(image)}

    # -- responses ---------------------------------------------------------------------------------------------------

    def respond(
        self, request: worker_pb2.ResponseRequest, usual: worker_pb2.SessionConfig, context: Iterable[Item]
    ) -> ClientEvent:
        """An answer is wanted. What the caller asks of it as of all answers is not said again."""
        event: ClientEvent = {"type": "response.create", "event_id": _ANSWER + request.response_id}
        body: dict[str, Any] = {}
        if not self._server.bare_responses:
            body["metadata"] = {METADATA_KEY: request.response_id}
        if request.HasField("config"):
            body.update(self._overrides(request.config, usual))
        if request.out_of_band:
            body["conversation"] = "none"
        if request.replace_history:
            body["input"] = [made for item in context if (made := self._item(item)) is not None]
        if body:
            event["response"] = body
        return event

    def _overrides(self, config: worker_pb2.SessionConfig, usual: worker_pb2.SessionConfig) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        if config.instructions != usual.instructions:
            changed["instructions"] = config.instructions
        if list(config.tools) != list(usual.tools) or config.tool_choice != usual.tool_choice:
            changed.update(_tools(config))
        if list(config.output_modalities) != list(usual.output_modalities):
            name = "modalities" if self._is_beta else "output_modalities"
            changed[name] = _beta_modalities(config) if self._is_beta else _modalities(config)
        if config.max_output_tokens != usual.max_output_tokens:
            changed["max_output_tokens"] = config.max_output_tokens or "inf"
        return changed

    def cancel(self, upstream_response_id: str) -> ClientEvent:
        """An answer is not wanted any more."""
        return {"type": "response.cancel", "event_id": ASIDE, "response_id": upstream_response_id}


def answer_of(event_id: object) -> str | None:
    """The response that a client event with this event_id asked for."""
    return event_id.removeprefix(_ANSWER) if isinstance(event_id, str) and event_id.startswith(_ANSWER) else None


def _modalities(config: worker_pb2.SessionConfig) -> list[str]:
    return ["text"] if list(config.output_modalities) == [worker_pb2.MODALITY_TEXT] else ["audio"]


def _beta_modalities(config: worker_pb2.SessionConfig) -> list[str]:
    return ["text"] if _modalities(config) == ["text"] else ["text", "audio"]


def _instructions(config: worker_pb2.SessionConfig) -> dict[str, str]:
    return {"instructions": config.instructions} if config.HasField("instructions") else {}


def _tools(config: worker_pb2.SessionConfig) -> dict[str, Any]:
    tools: list[Mapping[str, Any]] = [
        {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}
        for tool in read_tools(config)
    ]
    choice = config.tool_choice
    chosen: str | dict[str, str] = _MODES.get(choice.mode, "auto")
    if choice.mode == worker_pb2.ToolChoice.MODE_FUNCTION:
        chosen = {"type": "function", "name": choice.name}
    return {"tools": tools, "tool_choice": chosen}


def _data_url(image: ImageInput) -> str:
    return f"data:{image.mime_type};base64,{base64.b64encode(image.data).decode()}"
