"""What `response.create` may say about the response it asks for."""

from typing import Annotated

from pydantic import Field, StringConstraints

from transceiver.realtime.schema.base import Strict
from transceiver.realtime.schema.items import InputItem
from transceiver.realtime.schema.session import (
    AudioFormat,
    MaxOutputTokens,
    Modalities,
    Prompt,
    Reasoning,
    ToolChoice,
    Tools,
    Voice,
)

Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
    Field(max_length=16),
]


class ResponseAudioOutput(Strict):
    """How this response sounds."""

    format: AudioFormat | None = None
    voice: Voice | None = None


class ResponseAudio(Strict):
    """Only output can differ by response."""

    output: ResponseAudioOutput | None = None


class ResponseParams(Strict):
    """Overrides of the session for one response; None means as the session has it."""

    instructions: str | None = None
    output_modalities: Modalities | None = None
    audio: ResponseAudio | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: MaxOutputTokens | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    conversation: str | None = None
    input: list[InputItem] | None = None
    metadata: Metadata | None = None
    prompt: Prompt | None = None
