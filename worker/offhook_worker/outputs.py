"""What a session yields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.audio import Audio
from offhook_worker.events import TurnEvent


@dataclass(frozen=True, slots=True)
class Error:
    """Something went wrong and the session goes on. To end it, raise instead.

    `message` is one sentence for the caller; `code` a stable slug; `input_at_fault` tells the caller's mistake from
    the worker's.
    """

    code: str
    message: str
    input_at_fault: bool = False


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """An answer begins. One that was asked for repeats the id of its ResponseRequested; any other chooses an id."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Text:
    """More text of an answer that is not spoken."""

    response_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """More words of a spoken answer; they begin `audio_start_us` into the response's audio."""

    response_id: str
    delta: str
    audio_start_us: int = 0


@dataclass(frozen=True, slots=True)
class InputTranscription:
    """What the caller said in `item_id`: a delta, or with `done` the whole `text`, or `failure`: why there is none."""

    item_id: str
    delta: str = ""
    done: bool = False
    text: str = ""
    language: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a function that the session declares; the arguments are JSON, whole with `done` or in deltas."""

    response_id: str
    call_id: str
    name: str
    arguments_delta: str
    done: bool = True


class Status(IntEnum):
    """How a response ended; the numbers are those of the protocol."""

    COMPLETED = worker_pb2.ResponseDone.STATUS_COMPLETED
    CANCELLED = worker_pb2.ResponseDone.STATUS_CANCELLED
    INCOMPLETE_MAX_TOKENS = worker_pb2.ResponseDone.STATUS_INCOMPLETE_MAX_TOKENS
    INCOMPLETE_CONTENT_FILTER = worker_pb2.ResponseDone.STATUS_INCOMPLETE_CONTENT_FILTER
    FAILED = worker_pb2.ResponseDone.STATUS_FAILED


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """An answer is complete, or was given up.

    Attributes:
        usage: tokens and seconds, where the model counts them.
        stage_latency_ms: first-audio latency by stage: "turn", "recognition", "model", "speech".
        error: what went wrong, with Status.FAILED.
    """

    response_id: str
    status: Status = Status.COMPLETED
    usage: worker_pb2.Usage | None = None
    stage_latency_ms: Mapping[str, float] = field(default_factory=dict)
    error: Error | None = None


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop what is buffered of this response and not yet played."""

    response_id: str


Output = (
    Audio
    | ResponseStarted
    | Text
    | Transcript
    | InputTranscription
    | FunctionCall
    | ResponseDone
    | Flush
    | Error
    | TurnEvent
)
