"""Whether a worker says that it serves: grpc.health.v1, watched for as long as the link stands.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md. The two messages are one field each:

    HealthCheckRequest  { string service = 1; }         0a LENGTH NAME, or nothing
    HealthCheckResponse { ServingStatus status = 1; }   08 STATUS
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import grpc

_SERVING, _SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x03"
_SERVICE: Final = b"offhook.worker.v1.WorkerService"
_REQUESTS: Final = (b"\x0a" + bytes([len(_SERVICE)]) + _SERVICE, b"")
"""First this service; where it has no status of its own, the server as a whole."""
_AGAIN_S: Final = 1.0
_NO_ANSWER: Final = frozenset({grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND})


async def watch_health(channel: grpc.aio.Channel) -> AsyncGenerator[bool, None]:
    """Whether the worker at the other end takes calls: first as it is, then every change. Never ends.

    One that has no health service takes them. A watch that breaks says nothing new, and is begun again.
    """
    watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/grpc.health.v1.Health/Watch")
    request = _REQUESTS[0]
    while True:
        call = watch(request)
        try:
            async for status in call:
                if status == _SERVICE_UNKNOWN and request:
                    request = _REQUESTS[1]
                    break
                yield status == _SERVING
            else:
                await asyncio.sleep(_AGAIN_S)
        except grpc.aio.AioRpcError as error:
            if error.code() in _NO_ANSWER:
                yield True
                await asyncio.Event().wait()
            await asyncio.sleep(_AGAIN_S)
        finally:
            call.cancel()
