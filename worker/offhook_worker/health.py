"""The health service every gRPC prober knows (grpc.health.v1), without depending on its generated code.

The two messages are one field each (https://github.com/grpc/grpc/blob/master/doc/health-checking.md):

    HealthCheckRequest  { string service = 1; }         0a LENGTH NAME, or nothing
    HealthCheckResponse { ServingStatus status = 1; }   08 STATUS
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeAlias

import grpc

_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"

_WORKER_SERVICE = b"offhook.worker.v1.WorkerService"
_KNOWN_REQUESTS = frozenset({b"", b"\x0a\x00", b"\x0a" + bytes([len(_WORKER_SERVICE)]) + _WORKER_SERVICE})

_Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class HealthService:
    """Serving while the worker is well, until `withdraw`. Answers for the whole server ("") and the worker service."""

    def __init__(self) -> None:
        self._status = _SERVING
        self._withdrawn = False
        self._changed = asyncio.Event()

    def withdraw(self) -> None:
        """The worker takes no more sessions, for good; watchers are told."""
        self._withdrawn = True
        self.tell(serving=False)

    def tell(self, *, serving: bool) -> None:
        """Whether the worker takes sessions now; watchers are told of a change."""
        status = _SERVING if serving and not self._withdrawn else _NOT_SERVING
        if status != self._status:
            self._status = status
            self._changed.set()
            self._changed = asyncio.Event()

    def handler(self) -> grpc.GenericRpcHandler:
        """To be added to a server."""
        return grpc.method_handlers_generic_handler(
            "grpc.health.v1.Health",
            {
                "Check": grpc.unary_unary_rpc_method_handler(self._check),
                "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
            },
        )

    async def _check(self, request: bytes, context: _Context) -> bytes:
        if request not in _KNOWN_REQUESTS:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return self._status

    async def _watch(self, request: bytes, _context: _Context) -> AsyncIterator[bytes]:
        if request not in _KNOWN_REQUESTS:
            yield _SERVICE_UNKNOWN
            # The protocol keeps a watch open until the prober goes away.
            await asyncio.Event().wait()
        while True:
            # Before the status is told: a change while it is on its way is told next.
            changed = self._changed
            yield self._status
            await changed.wait()
