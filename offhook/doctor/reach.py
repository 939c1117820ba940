"""Asks transceivers and workers over gRPC; the Reach of a real network."""

from collections.abc import Sequence
from typing import Final

import grpc
from offhook_proto.route.v1 import route_pb2, route_pb2_grpc

from offhook.doctor.role import Identity, Unreachable
from offhook.service.discovery import watch_targets

ANSWER_WITHIN_S = 2.0
# As the roles themselves: what they dial is inside, a proxy named in the environment is for the outside.
CHANNEL_OPTIONS: Final = (("grpc.enable_http_proxy", 0),)
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
# HealthCheckResponse { status = SERVING }, https://github.com/grpc/grpc/blob/master/doc/health-checking.md
SERVING: Final = b"\x08\x01"


class GrpcReach:
    """Implements Reach."""

    async def resolve(self, target: str) -> Sequence[str]:
        """See Reach."""
        return sorted(await anext(watch_targets([target])))

    async def identify(self, target: str) -> Identity:
        """See Reach."""
        async with grpc.aio.insecure_channel(target, CHANNEL_OPTIONS) as channel:
            stub = route_pb2_grpc.RouteServiceStub(channel)
            try:
                answer = await stub.Identify(route_pb2.IdentifyRequest(), timeout=ANSWER_WITHIN_S)
            except grpc.aio.AioRpcError as error:
                raise Unreachable(error.code().name) from None
        found = answer.transceiver
        return Identity(found.cluster_id, found.transceiver_id, found.draining)

    async def health(self, target: str) -> bool:
        """See Reach."""
        async with grpc.aio.insecure_channel(target, CHANNEL_OPTIONS) as channel:
            # Two messages of one field each need no generated code.
            check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(HEALTH_CHECK)
            try:
                answer = await check(b"", timeout=ANSWER_WITHIN_S)
            except grpc.aio.AioRpcError as error:
                raise Unreachable(error.code().name) from None
        return answer == SERVING
