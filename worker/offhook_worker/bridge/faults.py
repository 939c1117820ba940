"""What can be wrong with a server on the other side, as the caller is told it."""

from enum import StrEnum

from offhook_worker.outputs import Error
from offhook_worker.replies import AnswerFailed


class Fault(StrEnum):
    """Codes of `SessionError`. All of them are the server's, none the caller's."""

    UNREACHABLE = "upstream_unreachable"
    """No connection: it is down, or the address is wrong."""
    BUSY = "upstream_busy"
    """It takes no more requests now (429, 503)."""
    REFUSED = "upstream_refused"
    """It does not take this request (another 4xx): a wrong model, key, or setting of the bridge."""
    FAILED = "upstream_failed"
    """It says that it failed (5xx, or an error within a stream)."""
    TIMEOUT = "upstream_timeout"
    """It was silent for too long."""
    BROKEN = "upstream_broken"
    """Its answer ended in the middle, or is none."""


_SENTENCES = {
    Fault.UNREACHABLE: "The {} server cannot be reached.",
    Fault.BUSY: "The {} server takes no more requests now.",
    Fault.REFUSED: "The {} server does not take the request.",
    Fault.FAILED: "The {} server failed.",
    Fault.TIMEOUT: "The {} server does not answer.",
    Fault.BROKEN: "The {} server's answer is broken.",
}


class UpstreamFault(AnswerFailed):
    """A server let an answer down.

    Attributes:
        fault: how.
        detail: for the log; never a key.
    """

    def __init__(self, fault: Fault, role: str, detail: str = "") -> None:
        super().__init__(Error(fault, _SENTENCES[fault].format(role)))
        self.fault = fault
        self.detail = detail
