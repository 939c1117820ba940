"""What a worker counts."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class InputDrop(StrEnum):
    """Why an input never reached a session's code, or an output never left."""

    QUEUE_FULL = "queue_full"
    """Input audio beyond the credit granted."""
    SESSION_CLOSED = "session_closed"
    """Either way: the session was over already."""
    UNKNOWN_SESSION = "unknown_session"
    """Input for a session that was never opened on this stream, or is long over."""
    DUPLICATE_SESSION = "duplicate_session"
    """An opening under a number in use."""
    MALFORMED_INPUT = "malformed_input"
    """No content, audio without duration, or a value this release does not know."""


@dataclass
class WorkerCounters:
    """Totals since the worker started. Read freely; only the server writes."""

    streams_opened: int = 0
    messages_received: int = 0
    messages_sent: int = 0
    inputs_received: int = 0
    outputs_sent: int = 0
    audio_frames_received: int = 0
    audio_frames_sent: int = 0
    sessions_accepted: int = 0
    sessions_rejected: int = 0
    sessions_failed: int = 0
    drops: Counter[InputDrop] = field(default_factory=Counter)
