"""What a session receives, in the order in which it happened."""

from dataclasses import dataclass
from enum import IntEnum

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.audio import Audio


class Role(IntEnum):
    """Who speaks in a message; the numbers are those of the protocol."""

    USER = worker_pb2.ROLE_USER
    SYSTEM = worker_pb2.ROLE_SYSTEM
    ASSISTANT = worker_pb2.ROLE_ASSISTANT


@dataclass(frozen=True, slots=True)
class TextInput:
    """A message typed by the caller, or added by the application."""

    item_id: str
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class ImageInput:
    """A picture shown by the caller. `mime_type` is "image/png" or "image/jpeg"; `detail` "auto", "low" or "high"."""

    item_id: str
    mime_type: str
    data: bytes
    detail: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a function returned for the call `call_id`."""

    item_id: str
    call_id: str
    output: str


class TurnKind(IntEnum):
    """The steps of a turn; the numbers are those of the protocol."""

    SPEECH_STARTED = worker_pb2.TurnEvent.KIND_SPEECH_STARTED
    SPEECH_STOPPED = worker_pb2.TurnEvent.KIND_SPEECH_STOPPED
    COMMITTED = worker_pb2.TurnEvent.KIND_COMMITTED
    """The input audio between `start_us` and `end_us` is the user's item `item_id`."""
    CLEARED = worker_pb2.TurnEvent.KIND_CLEARED
    """The input audio since the last commit is void."""


@dataclass(frozen=True, slots=True)
class TurnEvent:
    """The fabric's turn taking (as an output: the model's own). Times are media time of the input."""

    kind: TurnKind
    item_id: str = ""
    start_us: int = 0
    end_us: int = 0


@dataclass(frozen=True, slots=True)
class ResponseRequested:
    """Answer now, under this id. `request` holds the configuration, the input out of band and the metadata."""

    response_id: str
    request: worker_pb2.ResponseRequest


@dataclass(frozen=True, slots=True)
class ResponseItem:
    """The item made of a response, or with `call_id` of a function call; HistoryEdited names items by these ids."""

    response_id: str
    item_id: str
    call_id: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Stop generating `response_id`: the caller spoke (`by_caller`) or the application cancelled it.

    The caller heard its audio up to `played_us` and will hear no more; what is still yielded of it is discarded. Also
    comes when all of it has been generated but not yet played.
    """

    response_id: str
    played_us: int
    by_caller: bool


@dataclass(frozen=True, slots=True)
class Playout:
    """How much of a response's audio has been played to the caller, and how much waits to be.

    `received_us` of it has reached the caller, as its end reports every 1 to 5 s; 0 where it does not.
    """

    response_id: str
    played_us: int
    buffered_ms: int
    received_us: int = 0


@dataclass(frozen=True, slots=True)
class ConfigUpdated:
    """The session's configuration changed; `session.config` is this one from now on."""

    config: worker_pb2.SessionConfig


@dataclass(frozen=True, slots=True)
class HistoryEdited:
    """The conversation changed under the worker: an item inserted, deleted, or truncated at what was heard."""

    edit: worker_pb2.HistoryEdit


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A telephone key (RFC 4733): one of "0123456789*#ABCD"."""

    key: str
    duration_ms: int


class CloseReason(IntEnum):
    """Why a session is over; the numbers are those of the protocol."""

    UNSPECIFIED = worker_pb2.SessionClose.REASON_UNSPECIFIED
    CLIENT_HANGUP = worker_pb2.SessionClose.REASON_CLIENT_HANGUP
    API_HANGUP = worker_pb2.SessionClose.REASON_API_HANGUP
    CLIENT_LOST = worker_pb2.SessionClose.REASON_CLIENT_LOST
    SESSION_EXPIRED = worker_pb2.SessionClose.REASON_SESSION_EXPIRED
    TRANSCEIVER_DRAINING = worker_pb2.SessionClose.REASON_TRANSCEIVER_DRAINING
    MOVED_TO_OTHER_WORKER = worker_pb2.SessionClose.REASON_MOVED_TO_OTHER_WORKER
    ERROR = worker_pb2.SessionClose.REASON_ERROR
    TRANSCEIVER_LOST = -1
    """The stream to the transceiver broke (never on the wire)."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The call is over. The last event; whatever the session yields from here on is discarded."""

    reason: CloseReason


Event = (
    Audio
    | TextInput
    | ImageInput
    | ToolResult
    | TurnEvent
    | ResponseRequested
    | ResponseItem
    | Interrupted
    | Playout
    | ConfigUpdated
    | HistoryEdited
    | Dtmf
    | Closed
)
