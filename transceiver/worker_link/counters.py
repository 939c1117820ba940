"""What the links count, and the fixed words for why something was discarded or lost."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class LinkDrop(StrEnum):
    """Why an input never reached a worker, or an output never reached a session.

    A vocabulary of its own beside `wire.drop.DropReason`, which is about datagrams and shared with the native engine.
    """

    QUEUE_FULL = "queue_full"
    """Input audio: the worker gives no credit and the session's queue is full."""
    SESSION_CLOSED = "session_closed"
    """Either way: the session was over already."""
    UNKNOWN_SESSION = "unknown_session"
    """Output: a session number that was never used on this stream."""
    NOT_ACCEPTED = "not_accepted"
    """Output: before SessionAccept."""
    OVER_CREDIT = "over_credit"
    """Output audio: more than the credit granted."""
    MALFORMED_OUTPUT = "malformed_output"
    """Output: no content, a second accept, or audio of no or an impossible duration."""


class LostReason(StrEnum):
    """Why a session lost its worker."""

    STREAM_ENDED = "stream_ended"
    """The connection broke, or the worker closed it."""
    PING_TIMEOUT = "ping_timeout"
    """The connection stands but nothing comes: a frozen process or a cut network."""
    STALLED = "stalled"
    """The worker stopped reading and its inputs reached their bound."""
    PROTOCOL_ERROR = "protocol_error"
    """The worker broke the protocol in a way that leaves the stream useless."""
    SESSION_ERROR = "session_error"
    """The worker ended this one session with a fatal SessionError, which was delivered before."""
    FLOODED = "flooded"
    """The worker sent far more than it had credit for, or mostly what makes no sense."""
    OVERLOADED = "overloaded"
    """This session's inputs other than audio piled up behind a worker that takes no audio."""
    LISTENER_FAILED = "listener_failed"
    """A fault in this process, while it handled what the worker sent."""
    STOPPED = "stopped"
    """This transceiver stops."""


@dataclass
class LinkCounters:
    """Totals over all links of a pool since it was created. Read freely; only the links write."""

    streams_opened: int = 0
    streams_lost: Counter[LostReason] = field(default_factory=Counter)
    connect_failures: int = 0
    messages_sent: int = 0
    messages_received: int = 0
    inputs_sent: int = 0
    outputs_received: int = 0
    audio_frames_sent: int = 0
    audio_frames_received: int = 0
    sessions_opened: int = 0
    sessions_rejected: int = 0
    sessions_moved: int = 0
    sessions_lost: Counter[LostReason] = field(default_factory=Counter)
    drops: Counter[LinkDrop] = field(default_factory=Counter)
