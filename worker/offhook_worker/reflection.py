"""gRPC server reflection, so that grpcurl and the like can talk to a worker without its .proto files.

Where `offhook-worker[reflection]` is installed; without it a worker serves the same and does not describe itself.
"""

import importlib

import grpc
from offhook_proto.worker.v1 import worker_pb2

SERVICE: str = worker_pb2.DESCRIPTOR.services_by_name["WorkerService"].full_name


def describe(server: grpc.aio.Server) -> bool:
    """Adds the reflection service to a server that has not started; whether it is installed."""
    try:
        reflection = importlib.import_module("grpc_reflection.v1alpha.reflection")
    except ImportError:
        return False
    reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server)
    return True
