"""Why a call could not be put on a worker. Each is the answer to one caller, never a reason to stop."""

from offhook_proto.worker.v1 import worker_pb2


class OpenError(Exception):
    """A session could not be opened. `str(error)` is one sentence that may be shown to the caller."""


class NoSuchModel(OpenError):
    """No connected worker serves the model that was asked for (a client's mistake: HTTP 404 or 400)."""


class NoCapacity(OpenError):
    """Every worker that could serve the model is full, draining, slow to answer or gone (HTTP 503)."""


class WorkerRejected(OpenError):
    """A worker refused this very session; another one would refuse it too (HTTP 400).

    Attributes:
        reason: the worker's reason, a `SessionReject.Reason`.
    """

    def __init__(self, message: str, reason: worker_pb2.SessionReject.Reason.ValueType) -> None:
        super().__init__(message)
        self.reason = reason
