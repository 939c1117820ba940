"""From the Realtime API's objects to the worker protocol's."""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format
from offhook_proto.worker.v1 import worker_pb2

from transceiver.realtime.errors import EventError
from transceiver.realtime.input_audio import Utterance
from transceiver.realtime.schema.items import (
    AssistantMessage,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    InputText,
    Item,
    McpApprovalRequest,
    McpCall,
    OutputAudio,
    OutputText,
    SaidItem,
    SystemMessage,
    UserMessage,
)
from transceiver.realtime.schema.session import (
    FunctionChoice,
    FunctionTool,
    McpChoice,
    RealtimeConfig,
    SessionConfig,
    ToolChoice,
)

_ROLES = {
    UserMessage: worker_pb2.ROLE_USER,
    SystemMessage: worker_pb2.ROLE_SYSTEM,
    AssistantMessage: worker_pb2.ROLE_ASSISTANT,
}
_MODALITIES = {"audio": worker_pb2.MODALITY_AUDIO, "text": worker_pb2.MODALITY_TEXT}
_CHOICES = {
    "auto": worker_pb2.ToolChoice.MODE_AUTO,
    "none": worker_pb2.ToolChoice.MODE_NONE,
    "required": worker_pb2.ToolChoice.MODE_REQUIRED,
}
# What the protocol names itself, and what is none of the worker's business.
_NOT_EXTRA = frozenset(
    {
        *(
            "type",
            "model",
            "instructions",
            "output_modalities",
            "tools",
            "tool_choice",
            "max_output_tokens",
            "temperature",
        ),
        *("tracing", "include"),
    }
)

# Configuration


def session_config(
    effective: SessionConfig, given: Mapping[str, Any], functions: Iterable[FunctionTool]
) -> worker_pb2.SessionConfig:
    """The session's configuration. What the client did not set stays unset, and is the worker's own to choose.

    Args:
        functions: the tools as the worker knows them.

    Raises:
        EventError: a value that the protocol cannot carry (half a surrogate pair, a number beyond a double, too deep).
    """
    config = worker_pb2.SessionConfig()
    try:
        if isinstance(effective, RealtimeConfig):
            _set_speech(config, effective, given)
            set_tools(config, functions, effective.tool_choice)
            config.output_modalities.extend(_MODALITIES[each] for each in effective.output_modalities)
        if (wanted := effective.audio.input.transcription) is not None:
            config.transcription.SetInParent()
            config.transcription.model = wanted.model
            config.transcription.language = wanted.language or ""
            config.transcription.prompt = wanted.prompt or ""
        rest = {key: value for key, value in given.items() if key not in _NOT_EXTRA}
        json_format.ParseDict(rest, config.extra)
    except (json_format.ParseError, ValueError, OverflowError):
        message = "'session' holds a value that cannot be passed on to a model."
        raise EventError(message, code="invalid_value", param="session") from None
    return config


def session_update(
    effective: SessionConfig, given: Mapping[str, Any], functions: Iterable[FunctionTool]
) -> worker_pb2.SessionInput:
    """The same as an input. Raises EventError as `session_config` does."""
    config = session_config(effective, given, functions)
    return worker_pb2.SessionInput(update=worker_pb2.SessionUpdate(config=config))


def _set_speech(config: worker_pb2.SessionConfig, effective: RealtimeConfig, given: Mapping[str, Any]) -> None:
    audio = given.get("audio")
    output = audio.get("output") if isinstance(audio, Mapping) else None
    if isinstance(output, Mapping) and "voice" in output:
        config.voice = effective.audio.output.voice
    if isinstance(output, Mapping) and "speed" in output:
        config.speed = effective.audio.output.speed
    if "instructions" in given:
        config.instructions = effective.instructions
    if effective.temperature is not None:
        config.temperature = effective.temperature
    if effective.max_output_tokens != "inf":
        config.max_output_tokens = effective.max_output_tokens


def set_modalities(config: worker_pb2.SessionConfig, modalities: Iterable[str]) -> None:
    """Replaces the modalities."""
    config.ClearField("output_modalities")
    config.output_modalities.extend(_MODALITIES[each] for each in modalities)


def set_tools(config: worker_pb2.SessionConfig, tools: Iterable[FunctionTool], choice: ToolChoice) -> None:
    """Replaces the tools and the choice among them."""
    config.ClearField("tools")
    for tool in tools:
        parameters = json.dumps(tool.parameters if tool.parameters is not None else {"type": "object"})
        config.tools.add(name=tool.name, description=tool.description or "", parameters_json=parameters)
    if isinstance(choice, FunctionChoice | McpChoice):
        named = bool(choice.name)
        config.tool_choice.mode = worker_pb2.ToolChoice.MODE_FUNCTION if named else worker_pb2.ToolChoice.MODE_REQUIRED
        config.tool_choice.name = choice.name or ""
    else:
        config.tool_choice.mode = _CHOICES[choice]
        config.tool_choice.name = ""


# Conversation


def appended(item: Item) -> list[worker_pb2.SessionInput]:
    """What tells the worker of an item that the client added at the end."""
    match item:
        case UserMessage() | SystemMessage():
            if not any(isinstance(part, InputAudio) for part in item.content):
                return [_part_input(item, part) for part in item.content if not isinstance(part, InputAudio)]
        case FunctionCallOutput():
            return [worker_pb2.SessionInput(tool_result=_tool_result(item))]
        case _:
            pass
    return []


def inserted(item: SaidItem, previous_item_id: str | None) -> worker_pb2.SessionInput:
    """What tells the worker of any item anywhere."""
    insert = worker_pb2.HistoryInsert(previous_item_id=previous_item_id or "", item=history_item(item))
    return worker_pb2.SessionInput(history_edit=worker_pb2.HistoryEdit(insert=insert))


def deleted(item_id: str) -> worker_pb2.SessionInput:
    """An item is gone."""
    return worker_pb2.SessionInput(history_edit=worker_pb2.HistoryEdit(delete_item_id=item_id))


def truncated(item_id: str, content_index: int, audio_end_us: int) -> worker_pb2.SessionInput:
    """The client cut an answer."""
    cut = worker_pb2.HistoryTruncate(item_id=item_id, content_index=content_index, audio_end_us=audio_end_us)
    return worker_pb2.SessionInput(history_edit=worker_pb2.HistoryEdit(truncate=cut))


def history_items(item: Item) -> list[worker_pb2.HistoryItem]:
    """An item as part of a history: a call of an MCP tool has a second entry, its result; what is not said has none."""
    match item:
        case McpCall() | McpApprovalRequest():
            call = worker_pb2.FunctionCall(call_id=item.id, name=item.name, arguments_json=item.arguments)
            entries = [worker_pb2.HistoryItem(item_id=item.id, function_call=call)]
            if isinstance(item, McpCall) and item.output is not None:
                result = worker_pb2.ToolResult(item_id=item.id, call_id=item.id, output=item.output)
                entries.append(worker_pb2.HistoryItem(item_id=item.id, tool_result=result))
            return entries
        case UserMessage() | SystemMessage() | AssistantMessage() | FunctionCall() | FunctionCallOutput():
            return [history_item(item)]
        case _:
            return []


def history_item(item: SaidItem) -> worker_pb2.HistoryItem:
    """The one entry of an item that is no MCP server's."""
    entry = worker_pb2.HistoryItem(item_id=item.id or "")
    match item:
        case FunctionCall():
            entry.function_call.call_id = item.call_id or ""
            entry.function_call.name = item.name
            entry.function_call.arguments_json = item.arguments
        case FunctionCallOutput():
            entry.tool_result.CopyFrom(_tool_result(item))
        case _:
            entry.message.role = _ROLES[type(item)]
            entry.message.content.extend(_content(item.id or "", part) for part in item.content)
    return entry


def read_image(image: InputImage, item_id: str) -> worker_pb2.ImageInput:
    """The image in a data URI.

    Raises:
        EventError: it is no base64.
    """
    head, _, data = image.image_url.partition(",")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise EventError(
            "Invalid 'item.content': the image is not valid base64.", code="invalid_value", param="item.content"
        ) from None
    mime_type = head.removeprefix("data:").removesuffix(";base64")
    return worker_pb2.ImageInput(item_id=item_id, mime_type=mime_type, data=content, detail=image.detail)


def _part_input(item: UserMessage | SystemMessage, part: InputText | InputImage) -> worker_pb2.SessionInput:
    if isinstance(part, InputImage):
        return worker_pb2.SessionInput(image=read_image(part, item.id or ""))
    text = worker_pb2.TextInput(item_id=item.id or "", role=_ROLES[type(item)], text=part.text)
    return worker_pb2.SessionInput(text=text)


def _content(item_id: str, part: InputText | InputAudio | InputImage | OutputText | OutputAudio) -> worker_pb2.Content:
    match part:
        case InputText() | OutputText():
            return worker_pb2.Content(text=part.text)
        case InputImage():
            return worker_pb2.Content(image=read_image(part, item_id))
        case _:
            return worker_pb2.Content(transcript=part.transcript or "")


def tool_result(item_id: str, call_id: str, output: str) -> worker_pb2.SessionInput:
    """What came of a call."""
    return worker_pb2.SessionInput(tool_result=worker_pb2.ToolResult(item_id=item_id, call_id=call_id, output=output))


def _tool_result(item: FunctionCallOutput) -> worker_pb2.ToolResult:
    return worker_pb2.ToolResult(item_id=item.id or "", call_id=item.call_id, output=item.output)


# Turns and responses


def turn(kind: "worker_pb2.TurnEvent.Kind.ValueType", utterance: Utterance) -> worker_pb2.SessionInput:
    """A step of a turn."""
    event = worker_pb2.TurnEvent(
        kind=kind, item_id=utterance.item_id, start_us=utterance.start_us, end_us=utterance.end_us
    )
    return worker_pb2.SessionInput(turn=event)


def interruption(
    response_id: str, reason: "worker_pb2.Interruption.Reason.ValueType", played_us: int
) -> worker_pb2.SessionInput:
    """Stop this response."""
    event = worker_pb2.Interruption(response_id=response_id, reason=reason, played_us=played_us)
    return worker_pb2.SessionInput(interruption=event)


def response_item(response_id: str, item_id: str, call_id: str = "") -> worker_pb2.SessionInput:
    """Under which id the worker's answer is part of the conversation."""
    item = worker_pb2.ResponseItem(response_id=response_id, item_id=item_id, call_id=call_id)
    return worker_pb2.SessionInput(response_item=item)
