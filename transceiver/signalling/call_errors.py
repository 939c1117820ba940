"""What the HTTP API makes of a call that is not placed."""

from transceiver.calls.errors import (
    CallEndedEarly,
    CallRefused,
    ModelNotFound,
    NoRelay,
    NoRoom,
    TooManyConnecting,
    TransceiverDraining,
)
from transceiver.signalling.errors import ApiError

# The same request may succeed elsewhere, or later: clients may repeat it by themselves.
_PASSING = (TransceiverDraining, NoRelay, NoRoom, TooManyConnecting, CallEndedEarly)


def refusal(error: CallRefused) -> ApiError:
    """The error body: 404 for an unknown model, 503 for what passes, 400 for the rest, which the client must change."""
    passing = isinstance(error, _PASSING)
    status = 503 if passing else 404 if isinstance(error, ModelNotFound) else 400
    elsewhere = isinstance(error, TransceiverDraining)
    return ApiError(status, error.message, code=error.code, param=error.param, retry=passing, elsewhere=elsewhere)
