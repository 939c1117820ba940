"""What a worker counts."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
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


STAGES = ("turn", "recognition", "model", "speech")
"""Stages of the way to an answer's first audio, as the protocol names them; any other is not counted."""
STAGE_BOUNDS_S = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.5, 5.0)


@dataclass(slots=True)
class StageTimes:
    """One stage: answers by the first of STAGE_BOUNDS_S that is no less, longer ones last; and the sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(STAGE_BOUNDS_S) + 1))
    sum_s: float = 0.0


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
    first_audio: dict[str, StageTimes] = field(default_factory=lambda: {stage: StageTimes() for stage in STAGES})
    drops: Counter[InputDrop] = field(default_factory=Counter)

    def answered(self, stage_latency_ms: Mapping[str, float]) -> None:
        """Counts where an answer's first-audio latency went."""
        for stage, latency_ms in stage_latency_ms.items():
            times = self.first_audio.get(stage)
            if times is not None:
                times.counts[bisect_left(STAGE_BOUNDS_S, latency_ms / 1000)] += 1
                times.sum_s += latency_ms / 1000
