"""What a Realtime session wants done, in order."""

from dataclasses import dataclass
from typing import Any

from offhook_proto.worker.v1 import worker_pb2

from transceiver.realtime.schema.session import McpTool, TurnDetection

ServerEvent = dict[str, Any]
"""A server event as JSON data."""


@dataclass(frozen=True, slots=True)
class SendEvent:
    """Send this to the client."""

    event: ServerEvent


@dataclass(frozen=True, slots=True)
class SendToWorker:
    """Send this to the worker; its session number is the link's to fill in."""

    message: worker_pb2.SessionInput


@dataclass(frozen=True, slots=True)
class Play:
    """Queue this frame of the worker for playout, as part of `response_id` (empty: of none)."""

    frame: worker_pb2.AudioFrame
    response_id: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Audio of the worker that nobody is to hear: what it cost the worker's credit is given back."""

    duration_us: int


@dataclass(frozen=True, slots=True)
class FlushPlayout:
    """Drop what is queued of `response_id` at once, then report `playout_flushed`."""

    response_id: str


@dataclass(frozen=True, slots=True)
class DetectTurns:
    """Turn taking on the input audio is wanted so from now on; None: not at all."""

    turn_detection: TurnDetection | None


@dataclass(frozen=True, slots=True)
class ForgetTurn:
    """The client committed or cleared the input audio before `at_us` itself: no later turn starts before that."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Answering:
    """An answer is being prepared or heard, or none is: the idle timeout waits meanwhile."""

    active: bool


@dataclass(frozen=True, slots=True)
class AppendAudio:
    """The client's audio, in the session's input format (transports that carry audio)."""

    audio: bytes
    media_time_us: int
    duration_us: int


@dataclass(frozen=True, slots=True)
class ListMcpTools:
    """Ask this MCP server for its tools, then report `mcp_listed`."""

    item_id: str
    server: McpTool


@dataclass(frozen=True, slots=True)
class CallMcpTool:
    """Call this tool of an MCP server, then report `mcp_called`. `arguments` are JSON as the model wrote it."""

    item_id: str
    server: McpTool
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class EndSession:
    """The session has reached its longest duration; what is to be told has been sent."""


Effect = (
    SendEvent
    | SendToWorker
    | Play
    | Discard
    | FlushPlayout
    | DetectTurns
    | ForgetTurn
    | Answering
    | AppendAudio
    | ListMcpTools
    | CallMcpTool
    | EndSession
)


class Outbox:
    """Collects effects until the shell takes them."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []

    def add(self, effect: Effect) -> None:
        """Appends any effect."""
        self._effects.append(effect)

    def event(self, event: ServerEvent) -> None:
        """Sends an event to the client."""
        self._effects.append(SendEvent(event))

    def worker(self, message: worker_pb2.SessionInput) -> None:
        """Sends an input to the worker."""
        self._effects.append(SendToWorker(message))

    def take(self) -> list[Effect]:
        """Removes and returns the effects so far, in order."""
        effects, self._effects = self._effects, []
        return effects
