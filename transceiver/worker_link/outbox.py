"""What leaves for one worker, gathered so that many sessions share a message. Sans-IO.

A message costs about a hundred times what a frame costs, so audio leaves no sooner than an interval after what left
before it; what a caller or a worker waits for goes at once and takes along whatever audio is there.
"""

from collections import deque
from typing import Protocol

from offhook_proto.worker.v1 import worker_pb2

MAX_INPUTS = 65_536
"""Audio is bounded by credit, so only a worker that stopped reading lets this many pile up."""

_BATCH_BYTES = 1024 * 1024
"""A message is closed before it passes this size, unless one input alone does: far above what one tick holds."""

_FRAME_BYTES = 32
"""About what a frame has beside its payload."""


class Waker(Protocol):
    """Told when something should leave."""

    def wake_now(self) -> None:
        """At once."""

    def wake_at_tick(self) -> None:
        """At the next tick."""


class Outbox:
    """Inputs of all sessions of one stream, in the order in which they happened.

    They are put into messages as they come: to make each first and copy it takes longer than all else that is done
    about a frame.

    Args:
        waker: told when `take` should be called.
    """

    def __init__(self, waker: Waker) -> None:
        self._waker = waker
        self._requests: deque[worker_pb2.ConnectRequest] = deque()
        self._bytes_in_last = 0
        self._waiting = 0
        self._ping: worker_pb2.Ping | None = None

    def __len__(self) -> int:
        return self._waiting

    @property
    def is_overfull(self) -> bool:
        """Whether the worker stopped reading."""
        return self._waiting > MAX_INPUTS

    def put(self, message: worker_pb2.SessionInput, *, at_once: bool) -> None:
        """Appends one input."""
        self._with_room(_payload_bytes(message)).inputs.append(message)
        if at_once:
            self._waker.wake_now()
        elif self._waiting == 1:
            self._waker.wake_at_tick()

    def add_frame(self, payload_bytes: int) -> worker_pb2.SessionInput:
        """Appends one input that leaves at the tick: a frame of so many bytes, for the caller to fill in at once."""
        message = self._with_room(payload_bytes + _FRAME_BYTES).inputs.add()
        if self._waiting == 1:
            self._waker.wake_at_tick()
        return message

    def put_ping(self, nonce: int) -> None:
        """Sends a ping at once; one that has not left yet is replaced."""
        self._ping = worker_pb2.Ping(nonce=nonce)
        self._waker.wake_now()

    def take(self) -> worker_pb2.ConnectRequest | None:
        """The next message, or None when nothing waits. Call until None: a large batch is cut in several."""
        if not self._requests and self._ping is None:
            return None
        request = self._requests.popleft() if self._requests else worker_pb2.ConnectRequest()
        self._waiting -= len(request.inputs)
        if self._ping is not None:
            request.ping.CopyFrom(self._ping)
            self._ping = None
        return request

    def _with_room(self, size: int) -> worker_pb2.ConnectRequest:
        self._bytes_in_last += size
        if not self._requests or self._bytes_in_last > _BATCH_BYTES:
            self._requests.append(worker_pb2.ConnectRequest())
            self._bytes_in_last = size
        self._waiting += 1
        return self._requests[-1]


def _payload_bytes(message: worker_pb2.SessionInput) -> int:
    """About how large an input is; exact where it is hot and small, by protobuf where it may be large."""
    if message.HasField("audio"):
        return len(message.audio.payload) + _FRAME_BYTES
    return message.ByteSize()
