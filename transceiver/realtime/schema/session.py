"""The session object: what a client may configure. Field by field as OpenAI's specification of GA has it.

A model here holds the whole effective configuration; its defaults are those of a session that nobody configured.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from transceiver.realtime.schema.base import Strict


def _is_unset(value: object) -> bool:
    return value is None


def _left_out(**options: Any) -> Any:  # noqa: ANN401 - as pydantic's Field
    """A field that is echoed only where it is set: it is new, and Pipecat fails on what it does not know."""
    return Field(default=None, exclude_if=_is_unset, **options)


DEFAULT_VOICE = "default"
"""Echoed where the client chose none: the model's own."""

MAX_TOOLS = 128
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class PcmFormat(Strict):
    """16-bit little-endian mono samples; the API knows one rate."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000] = 24000


class PcmuFormat(Strict):
    """G.711 µ-law at 8 kHz."""

    type: Literal["audio/pcmu"]


class PcmaFormat(Strict):
    """G.711 A-law at 8 kHz."""

    type: Literal["audio/pcma"]


AudioFormat = Annotated[PcmFormat | PcmuFormat | PcmaFormat, Field(discriminator="type")]


class NoiseReduction(Strict):
    """Accepted and passed to the worker; the fabric itself filters nothing."""

    type: Literal["near_field", "far_field"] = "near_field"
    strength: float | None = _left_out(ge=0, le=1)


class Transcription(Strict):
    """Wanted transcription of the input; which models exist is the worker's business."""

    model: str = "default"
    language: str | None = None
    languages: list[str] | None = _left_out()
    prompt: str | None = None
    keywords: list[str] | None = _left_out()
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = _left_out()


class ServerVad(Strict):
    """Turns by silence."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float = Field(default=0.5, ge=0, le=1)
    prefix_padding_ms: int = Field(default=300, ge=0, le=10_000)
    silence_duration_ms: int = Field(default=500, ge=0, le=30_000)
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = Field(default=None, ge=5000, le=30_000)
    model_version: str | None = Field(default=None, exclude=True)


class SemanticVad(Strict):
    """Turns by what was said."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True
    model_version: str | None = Field(default=None, exclude=True)


TurnDetection = Annotated[ServerVad | SemanticVad, Field(discriminator="type")]


class AudioInput(Strict):
    """What the client says, and how it is heard."""

    format: AudioFormat = Field(default_factory=PcmFormat)
    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = Field(default_factory=ServerVad)


def _voice_name(voice: object) -> object:
    """A custom voice comes as `{"id": …}`; clients read a string back."""
    return voice["id"] if isinstance(voice, dict) and voice.keys() == {"id"} else voice


Voice = Annotated[str, BeforeValidator(_voice_name)]


class AudioOutput(Strict):
    """What the model says, and how it sounds."""

    format: AudioFormat = Field(default_factory=PcmFormat)
    voice: Voice = DEFAULT_VOICE
    speed: float = Field(default=1.0, ge=0.25, le=1.5)


class Audio(Strict):
    """Both directions."""

    input: AudioInput = Field(default_factory=AudioInput)
    output: AudioOutput = Field(default_factory=AudioOutput)


class FunctionTool(Strict):
    """A function that the model may call and the client runs."""

    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = Field(default=None, exclude=True)


class McpToolFilter(Strict):
    """Some of a server's tools."""

    tool_names: list[str] | None = None
    read_only: bool | None = None


class McpApproval(Strict):
    """Which calls the client is asked about first."""

    always: McpToolFilter | None = None
    never: McpToolFilter | None = None


class McpTool(Strict):
    """The tools of an MCP server, which the fabric lists and calls. What opens the server is not echoed."""

    type: Literal["mcp"]
    server_label: Name
    server_url: Annotated[str, StringConstraints(pattern=r"^https?://", max_length=2048)]
    server_description: str | None = _left_out()
    authorization: str | None = Field(default=None, exclude=True)
    headers: dict[str, str] | None = Field(default=None, exclude=True)
    allowed_tools: list[str] | McpToolFilter | None = _left_out()
    require_approval: Literal["always", "never"] | McpApproval | None = "always"
    defer_loading: bool | None = Field(default=None, exclude=True)
    allowed_callers: list[str] | None = Field(default=None, exclude=True)


Tool = Annotated[FunctionTool | McpTool, Field(discriminator="type")]
Tools = Annotated[list[Tool], Field(max_length=MAX_TOOLS)]


class FunctionChoice(Strict):
    """The one function that the model is to call."""

    type: Literal["function"]
    name: Name


class McpChoice(Strict):
    """A tool of this server is to be called."""

    type: Literal["mcp"]
    server_label: Name
    name: str | None = _left_out()


ToolChoice = Literal["auto", "none", "required"] | Annotated[FunctionChoice | McpChoice, Field(discriminator="type")]
Modalities = Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)]
MaxOutputTokens = Annotated[int, Field(ge=1, le=4096)] | Literal["inf"]


class Reasoning(Strict):
    """Passed to the worker."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class Tracing(Strict):
    """Accepted, as OpenAI's dashboard is not here."""

    workflow_name: str | None = None
    group_id: str | None = None
    metadata: dict[str, Any] | None = None


class RetentionRatio(Strict):
    """Passed to the worker, whose context it is about."""

    type: Literal["retention_ratio"]
    retention_ratio: float = Field(ge=0, le=1)
    token_limits: dict[str, int] | None = None


class Prompt(Strict):
    """A stored prompt; passed to the worker."""

    id: str
    version: str | None = None
    variables: dict[str, Any] | None = None


Include = list[Literal["item.input_audio_transcription.logprobs"]]


def _spoken() -> list[Literal["text", "audio"]]:
    return ["audio"]


class RealtimeConfig(Strict):
    """A session of type "realtime": speech to speech, or to text."""

    type: Literal["realtime"]
    output_modalities: Modalities = Field(default_factory=_spoken)
    instructions: str = ""
    audio: Audio = Field(default_factory=Audio)
    tools: Tools = Field(default_factory=list)
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool | None = Field(default=None, exclude=True)
    reasoning: Reasoning | None = None
    max_output_tokens: MaxOutputTokens = "inf"
    temperature: float | None = Field(default=None, ge=0, le=2, exclude=True)
    tracing: Literal["auto"] | Tracing | None = None
    truncation: Literal["auto", "disabled"] | RetentionRatio = "auto"
    prompt: Prompt | None = None
    include: Include | None = None


class TranscriptionAudio(Strict):
    """One direction only."""

    input: AudioInput = Field(default_factory=AudioInput)


class TranscriptionConfig(Strict):
    """A session of type "transcription": speech to text and nothing else."""

    type: Literal["transcription"]
    audio: TranscriptionAudio = Field(default_factory=TranscriptionAudio)
    include: Include | None = None


SessionConfig = RealtimeConfig | TranscriptionConfig
