"""The class that an author writes."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.model import Model
from offhook_worker.outputs import Output

if TYPE_CHECKING:
    from offhook_worker.session import Session


class RejectReason(IntEnum):
    """Why a session is not taken; the numbers are those of the protocol."""

    AT_CAPACITY = worker_pb2.SessionReject.REASON_AT_CAPACITY
    UNKNOWN_MODEL = worker_pb2.SessionReject.REASON_UNKNOWN_MODEL
    UNSUPPORTED_FORMAT = worker_pb2.SessionReject.REASON_UNSUPPORTED_FORMAT
    INVALID_CONFIG = worker_pb2.SessionReject.REASON_INVALID_CONFIG
    DRAINING = worker_pb2.SessionReject.REASON_DRAINING


class Reject(Exception):
    """Raised in `VoiceWorker.prepare` to refuse a session; the message is one sentence for the caller."""

    def __init__(self, message: str, reason: RejectReason = RejectReason.INVALID_CONFIG) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Load:
    """What the worker knows of its own load, for placement.

    Attributes:
        utilization: fraction of the bottleneck resource in use, 0 to 1.
        real_time_factor: compute time per second of audio; above 1 the worker falls behind. 0: unknown.
        queue_delay_ms: how long work waited for that resource, 95th percentile. What inputs wait before the session's
            code reads them is measured anyway; the larger of the two is reported.
        is_full: it can hold the calls that it has and no more, whatever `ServeOptions.max_sessions` allows: no other
            seats are reported, and new calls are refused.
    """

    utilization: float = 0.0
    real_time_factor: float = 0.0
    queue_delay_ms: float = 0.0
    is_full: bool = False


class VoiceWorker(ABC):
    """A voice model. One instance serves all sessions, each in a task of its own, on one event loop.

    Whatever computes must not hold that loop: use `await asyncio.to_thread(...)` or a process. A worker whose loop
    answers nothing for 1.5 s is taken for dead and loses all its calls.
    """

    models: Sequence[Model]
    """What this worker serves."""

    @abstractmethod
    def on_session(self, session: "Session") -> AsyncIterator[Output]:
        """Serves one call: an async generator that reads `async for event in session` and yields outputs.

        Returning ends the call in good order. An exception ends this call with an error and no other. When the call
        is over, the session's events end after `Closed`; what is still running some seconds later is cancelled.
        """

    async def prepare(self, session: "Session") -> None:  # noqa: B027 - a hook; most workers take whatever comes
        """Looks at `session.config` before the call is accepted; raise `Reject` to refuse. Must be quick (seconds)."""

    async def start(self) -> None:  # noqa: B027 - a hook, for workers that need the event loop before the first call
        """Called once on the event loop, before the worker can be reached: the place to warm up and to start tasks."""

    async def stop(self) -> None:  # noqa: B027 - the same
        """Called once after the last call: the place to end what `start` began."""

    def is_healthy(self) -> bool:
        """Called every second: whether new calls may come; while not, grpc.health.v1 says NOT_SERVING. Others go on.

        For what passes by itself: a device that is being reset, an engine behind it that is away.
        """
        return True

    def load(self) -> Load:
        """Called every second. The number of sessions is reported in any case."""
        return Load()
