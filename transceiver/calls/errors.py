"""Why a call is not placed. What a client gets to see of it (a status, a body) is signalling's business."""


class CallRefused(Exception):
    """No call.

    Args:
        message: one sentence for the client.

    Attributes:
        code: stable slug, the label of the metric.
        param: the part of the request that is at fault, if one is.
    """

    code = "refused"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class TransceiverDraining(CallRefused):
    """This process takes no more calls."""

    code = "draining"


class OfferRefused(CallRefused):
    """The SDP offer cannot be answered."""

    code = "invalid_offer"


class NoRoom(CallRefused):
    """This transceiver, or every worker of the model, is full."""

    code = "no_capacity"


class NoRelay(CallRefused):
    """No relay is there to carry the call's media."""

    code = "no_relay"


class TooManyConnecting(CallRefused):
    """Too many calls of this transceiver are between their answer and their first packet."""

    code = "too_many_connecting"


class ModelNotFound(CallRefused):
    """No such model."""

    code = "model_not_found"


class SessionRefused(CallRefused):
    """The session object is at fault; `code` is the Realtime API's."""

    def __init__(self, message: str, *, code: str, param: str | None) -> None:
        super().__init__(message, param=param)
        self.code = code


class RefusedByWorker(CallRefused):
    """A worker will not serve this very session."""

    code = "rejected_by_worker"


class CallEndedEarly(CallRefused):
    """The call was over before it was answered."""

    code = "call_ended"


REFUSALS = tuple(
    each.code
    for each in (
        TransceiverDraining,
        OfferRefused,
        NoRoom,
        NoRelay,
        TooManyConnecting,
        ModelNotFound,
        RefusedByWorker,
        CallEndedEarly,
    )
)
"""Codes of this module. A session object's faults have others (see `SessionRefused`)."""
