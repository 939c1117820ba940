"""Conversation items, as clients create them and as the conversation keeps them."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from transceiver.realtime.schema.base import Strict

ItemId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Status = Literal["completed", "incomplete", "in_progress"]

IMAGE_PREFIXES = ("data:image/png;base64,", "data:image/jpeg;base64,")


class InputText(Strict):
    """Typed by the user, or said by the application."""

    type: Literal["input_text"] = "input_text"
    text: str


class InputAudio(Strict):
    """Spoken by the user. The fabric keeps no audio, so one that a client creates needs its transcript."""

    type: Literal["input_audio"] = "input_audio"
    audio: str | None = Field(default=None, exclude=True)
    transcript: str | None = None


class InputImage(Strict):
    """Shown by the user, as a data URI."""

    type: Literal["input_image"] = "input_image"
    image_url: Annotated[str, StringConstraints(pattern=r"^data:image/(png|jpeg);base64,")]
    detail: Literal["auto", "low", "high"] = "auto"


class OutputText(Strict):
    """Written by the model."""

    type: Literal["output_text"] = "output_text"
    text: str


class OutputAudio(Strict):
    """Spoken by the model; no audio is kept."""

    type: Literal["output_audio"] = "output_audio"
    audio: str | None = Field(default=None, exclude=True)
    transcript: str | None = None


UserPart = Annotated[InputText | InputAudio | InputImage, Field(discriminator="type")]
AssistantPart = Annotated[OutputText | OutputAudio, Field(discriminator="type")]


class _Item(Strict):
    id: ItemId | None = None
    object: Literal["realtime.item"] = "realtime.item"
    status: Status = "completed"


class UserMessage(_Item):
    """From the caller."""

    type: Literal["message"] = "message"
    role: Literal["user"] = "user"
    content: list[UserPart]


class SystemMessage(_Item):
    """From the application."""

    type: Literal["message"] = "message"
    role: Literal["system"] = "system"
    content: list[InputText]


class AssistantMessage(_Item):
    """From the model."""

    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    content: list[AssistantPart]


class FunctionCall(_Item):
    """The model calls a function of the client's."""

    type: Literal["function_call"] = "function_call"
    call_id: ItemId | None = None
    name: str
    arguments: str


class FunctionCallOutput(_Item):
    """What the function returned."""

    type: Literal["function_call_output"] = "function_call_output"
    call_id: ItemId
    output: str


class McpListedTool(Strict):
    """A tool as its server lists it. The Agents SDK fails on one without a description."""

    name: str
    description: str = ""
    input_schema: dict[str, Any] = Field(default_factory=dict)
    annotations: dict[str, Any] = Field(default_factory=dict)


class McpError(Strict):
    """Why a call failed."""

    type: Literal["protocol_error", "tool_execution_error", "http_error"]
    message: str
    code: int | None = Field(default=None, exclude_if=lambda code: code is None)


class _McpItem(Strict):
    id: ItemId
    status: Status = Field(default="completed", exclude=True)


class McpListTools(_McpItem):
    """What a server has."""

    type: Literal["mcp_list_tools"] = "mcp_list_tools"
    server_label: str
    tools: list[McpListedTool]


class McpCall(_McpItem):
    """The fabric calls a tool of a server's, and what came of it. Clients need the key `output` even if it is null."""

    type: Literal["mcp_call"] = "mcp_call"
    server_label: str
    name: str
    arguments: str
    output: str | None = None
    error: McpError | None = None
    approval_request_id: str | None = None


class McpApprovalRequest(_McpItem):
    """The client is asked whether a tool may be called."""

    type: Literal["mcp_approval_request"] = "mcp_approval_request"
    server_label: str
    name: str
    arguments: str


class McpApprovalResponse(Strict):
    """What the client says to that."""

    id: ItemId | None = None
    status: Status = Field(default="completed", exclude=True)
    type: Literal["mcp_approval_response"] = "mcp_approval_response"
    approval_request_id: str
    approve: bool
    reason: str | None = None


McpItem = McpListTools | McpCall | McpApprovalRequest | McpApprovalResponse


class ItemReference(Strict):
    """An item of the conversation, as input of a response."""

    type: Literal["item_reference"]
    id: ItemId


def _branch(item: object) -> str | None:
    """Messages differ by role, everything else by type."""
    if not isinstance(item, dict):
        return None
    kind = item.get("type")
    branch = item.get("role") if kind == "message" else kind
    return branch if isinstance(branch, str) else None


Message = UserMessage | SystemMessage | AssistantMessage
SaidItem = Message | FunctionCall | FunctionCallOutput
"""What a model reads."""
Item = SaidItem | McpItem

NewItem = Annotated[
    Annotated[UserMessage, Tag("user")]
    | Annotated[SystemMessage, Tag("system")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[FunctionCallOutput, Tag("function_call_output")]
    | Annotated[McpApprovalResponse, Tag("mcp_approval_response")],
    Discriminator(_branch),
]
"""What `conversation.item.create` takes."""

InputItem = Annotated[
    Annotated[UserMessage, Tag("user")]
    | Annotated[SystemMessage, Tag("system")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[FunctionCallOutput, Tag("function_call_output")]
    | Annotated[ItemReference, Tag("item_reference")],
    Discriminator(_branch),
]
"""What `response.input` takes."""


def as_json(item: Item) -> dict[str, Any]:
    """The item as events carry it, as it is now."""
    return item.model_dump()


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - JSON data in, JSON data out
    """Clients write null for what they leave out of an item."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    return value
