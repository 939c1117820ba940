"""What leaves for one worker, gathered so that many sessions share a message. Sans-IO.

A message costs about a hundred times what a frame costs, so audio waits for the tick; what a caller or a worker waits
for goes at once and takes along whatever audio is there.
"""

from collections import deque
from typing import Protocol

from offhook_proto.worker.v1 import worker_pb2

MAX_INPUTS = 65_536
"""Audio is bounded by credit, so only a worker that stopped reading lets this many pile up."""

_BATCH_BYTES = 1024 * 1024
"""A message is closed before it passes this size, unless one input alone does: far above what one tick holds."""


class Waker(Protocol):
    """Told when something should leave."""

    def wake_now(self) -> None:
        """At once."""

    def wake_at_tick(self) -> None:
        """At the next tick."""


class Outbox:
    """Inputs of all sessions of one stream, in the order in which they happened.

    Args:
        waker: told when `take` should be called.
    """

    def __init__(self, waker: Waker) -> None:
        self._waker = waker
        self._inputs: deque[worker_pb2.SessionInput] = deque()
        self._ping: worker_pb2.Ping | None = None

    def __len__(self) -> int:
        return len(self._inputs)

    @property
    def is_overfull(self) -> bool:
        """Whether the worker stopped reading."""
        return len(self._inputs) > MAX_INPUTS

    def put(self, message: worker_pb2.SessionInput, *, at_once: bool) -> None:
        """Appends one input."""
        self._inputs.append(message)
        if at_once:
            self._waker.wake_now()
        elif len(self._inputs) == 1:
            self._waker.wake_at_tick()

    def put_ping(self, nonce: int) -> None:
        """Sends a ping at once; one that has not left yet is replaced."""
        self._ping = worker_pb2.Ping(nonce=nonce)
        self._waker.wake_now()

    def take(self) -> worker_pb2.ConnectRequest | None:
        """The next message, or None when nothing waits. Call until None: a large batch is cut in several."""
        if not self._inputs and self._ping is None:
            return None
        batch: list[worker_pb2.SessionInput] = []
        size = 0
        while self._inputs:
            size += _payload_bytes(self._inputs[0])
            if batch and size > _BATCH_BYTES:
                break
            batch.append(self._inputs.popleft())
        ping, self._ping = self._ping, None
        return worker_pb2.ConnectRequest(inputs=batch, ping=ping)


def _payload_bytes(message: worker_pb2.SessionInput) -> int:
    """About how large an input is; exact where it is hot and small, by protobuf where it may be large."""
    if message.HasField("audio"):
        return len(message.audio.payload) + 32
    return message.ByteSize()
