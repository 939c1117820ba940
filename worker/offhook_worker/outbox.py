"""What leaves for one transceiver, gathered so that many sessions share a message.

A message costs about a hundred times what a frame costs, so audio leaves no sooner than an interval after what left
before it; what a caller waits for goes at once and takes along whatever audio is there.
"""

import asyncio
from collections import deque

from offhook_proto.worker.v1 import worker_pb2

_BATCH_BYTES = 1024 * 1024
"""A message is closed before it passes this size, unless one output alone does: far above what one tick holds."""


class Outbox:
    """Outputs of all sessions of one stream, in order.

    Bounded by what bounds its users: audio by credit, everything else by `put_and_wait`, which holds a session's code
    until its output left.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._outputs: deque[worker_pb2.SessionOutput] = deque()
        self._load: worker_pb2.LoadReport | None = None
        self._drain: worker_pb2.Drain | None = None
        self._pong: worker_pb2.Pong | None = None
        self._due = asyncio.Event()
        self._tick: asyncio.TimerHandle | None = None
        self._woken_at = 0.0
        self._taken = asyncio.Event()
        self._closed = False

    def close(self) -> None:
        """The stream is over: what is put from now on goes nowhere, and nobody waits any more."""
        self._closed = True
        self._outputs.clear()
        self._taken.set()
        self._due.set()

    def put(self, output: worker_pb2.SessionOutput, *, at_once: bool) -> None:
        """Appends one output."""
        if self._closed:
            return
        self._outputs.append(output)
        if at_once:
            self._due.set()
        elif self._tick is None and not self._due.is_set():
            loop = asyncio.get_running_loop()
            wait_s = self._woken_at + self._interval_s - loop.time()
            if wait_s > 0:
                self._tick = loop.call_later(wait_s, self._due.set)
            else:
                self._due.set()

    async def put_and_wait(self, output: worker_pb2.SessionOutput) -> None:
        """Appends one output and returns when a message was made since."""
        self.put(output, at_once=True)
        await self._taken.wait()

    def put_load(self, load: worker_pb2.LoadReport) -> None:
        """Sends a load report at once; an older one that has not left yet is replaced."""
        self._load = load
        self._due.set()

    def put_drain(self, drain: worker_pb2.Drain) -> None:
        """Announces that no new session is taken."""
        self._drain = drain
        self._due.set()

    def put_pong(self, pong: worker_pb2.Pong) -> None:
        """Answers a ping at once; an answer to an older one that has not left yet is replaced."""
        self._pong = pong
        self._due.set()

    def wake(self) -> None:
        """Lets `wait` return although nothing was put."""
        self._due.set()

    async def wait(self) -> None:
        """Returns when something should leave."""
        await self._due.wait()
        self._due.clear()
        self._woken_at = asyncio.get_running_loop().time()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def take(self) -> worker_pb2.ConnectResponse | None:
        """The next message, or None when nothing waits. Call until None: a large batch is cut in several."""
        if not self._outputs and self._load is None and self._drain is None and self._pong is None:
            return None
        batch: list[worker_pb2.SessionOutput] = []
        size = 0
        while self._outputs:
            size += self._outputs[0].ByteSize()
            if batch and size > _BATCH_BYTES:
                break
            batch.append(self._outputs.popleft())
        response = worker_pb2.ConnectResponse(outputs=batch, load=self._load, drain=self._drain, pong=self._pong)
        self._load = self._drain = self._pong = None
        if not self._closed:
            self._taken.set()
            self._taken = asyncio.Event()
        return response
