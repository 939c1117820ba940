"""The two ways of the worker link that are compared. Both processes of a run choose one by name, before all else.

One message per frame is what the link would be without its outboxes, and no setting of production: it is made here by
outboxes that hand out one frame at a time, in the same order, at once.
"""

import offhook_worker.transceiver_stream
from offhook_proto.worker.v1 import worker_pb2
from offhook_worker.outbox import Outbox as WorkerOutbox

import transceiver.worker_link.stream
from transceiver.worker_link.outbox import Outbox, Waker

BATCHED, ONE_EACH = "batched", "one-per-message"
WAYS = (BATCHED, ONE_EACH)
INTERVAL_MS = {BATCHED: 10.0, ONE_EACH: 0.0}
"""Between two messages that carry audio."""


class OneInputOutbox(Outbox):
    """One input per message."""

    def __init__(self, waker: Waker) -> None:
        super().__init__(waker)
        self._left: list[worker_pb2.SessionInput] = []

    def take(self) -> worker_pb2.ConnectRequest | None:
        """The next input alone."""
        if not self._left:
            request = super().take()
            if request is None or len(request.inputs) <= 1:
                return request
            self._left = list(request.inputs)[::-1]
        return worker_pb2.ConnectRequest(inputs=[self._left.pop()])


class OneOutputOutbox(WorkerOutbox):
    """One output per message."""

    def __init__(self, interval_s: float) -> None:
        super().__init__(interval_s)
        self._left: list[worker_pb2.SessionOutput] = []

    def take(self) -> worker_pb2.ConnectResponse | None:
        """The next output alone."""
        if not self._left:
            response = super().take()
            if response is None or len(response.outputs) <= 1:
                return response
            self._left = list(response.outputs)[::-1]
        return worker_pb2.ConnectResponse(outputs=[self._left.pop()])


def use(way: str) -> None:
    """Has this process's links work in this way."""
    if way == ONE_EACH:
        transceiver.worker_link.stream.Outbox = OneInputOutbox  # type: ignore[misc]
        offhook_worker.transceiver_stream.Outbox = OneOutputOutbox  # type: ignore[misc]
