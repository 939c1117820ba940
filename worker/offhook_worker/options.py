"""How a worker is served."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from offhook_worker.tls import TlsFiles

if TYPE_CHECKING:
    from offhook_worker.session import Session


class DropPolicy(StrEnum):
    """What gives way when a session's input queue is full, which only a transceiver that ignores credit can cause."""

    DROP_OLDEST = "drop_oldest"
    DROP_NEWEST = "drop_newest"


def _nothing_around(session: "Session") -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Bounds and timing; the defaults suit an interactive voice model.

    Attributes:
        name: the worker's name in the fabric's logs and metrics; empty: host name and process id.
        max_sessions: calls taken at once, all transceivers together.
        drain_s: how long open calls may go on after the worker was told to stop.
        close_grace_s: how long a session's code may run on after its call is over; then it is cancelled.
        batch_interval_ms: output audio leaves no sooner after the message before it; so long it gathers.
        input_window_ms: input audio that may wait per session; a slow author makes the transceiver wait, then drop.
        input_policy: what goes when a transceiver sends more than that.
        peer_timeout_s: a transceiver from which nothing came for this long is gone (it pings every half second).
        max_message_bytes: largest gRPC message either way; an image must fit into one.
        around_session: entered before a session is prepared and left when it is over, such as for a span that continues
            `Session.traceparent`. It must not raise.
        tls: certificate and key, and whose transceivers may connect; None: in the clear, for a network that is trusted.
    """

    name: str = ""
    max_sessions: int = 64
    drain_s: float = 30.0
    close_grace_s: float = 3.0
    batch_interval_ms: float = 5.0
    input_window_ms: int = 2000
    input_policy: DropPolicy = DropPolicy.DROP_OLDEST
    peer_timeout_s: float = 10.0
    max_message_bytes: int = 16 * 1024 * 1024
    around_session: "Callable[[Session], AbstractContextManager[None]]" = _nothing_around
    tls: TlsFiles | None = None
