"""How long callers wait for an answer, by stage: what an operator looks at when a conversation feels slow.

    voice ends ──hangover──▶ turn over ──worker──▶ its first audio ──playout──▶ first packet leaves
        └──────────────────────────────── total ────────────────────────────────────┘

The worker says what of its share was recognition, model and speech. The network on either side is not seen here.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from offhook.service.tracing import NO_TRACE, Trace

BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.5, 5.0)


class Stage(StrEnum):
    """The label of the metric."""

    HANGOVER = "hangover"
    WORKER = "worker"
    RECOGNITION = "recognition"
    MODEL = "model"
    SPEECH = "speech"
    PLAYOUT = "playout"
    TOTAL = "total"


_OF_WORKERS = (Stage.RECOGNITION, Stage.MODEL, Stage.SPEECH)


@dataclass(slots=True)
class StageTimes:
    """One stage: answers by the first of BUCKETS_S that is no less, longer ones last; and the sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum_s: float = 0.0

    def observe(self, seconds: float) -> None:
        """Counts one."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum_s += seconds


class AnswerLatency:
    """All answers of a process."""

    def __init__(self) -> None:
        self.stages = {stage: StageTimes() for stage in Stage}

    def observe(self, stage: Stage, seconds: float) -> None:
        """Counts one stage of one answer."""
        self.stages[stage].observe(max(0.0, seconds))


class AnswerClock:
    """One call's answers to turns. Only the answer that follows a turn counts, and only its first audio.

    Args:
        latency: of the process. `now` is in monotonic seconds everywhere.
        trace: of the call.
    """

    def __init__(self, latency: AnswerLatency, trace: Trace = NO_TRACE) -> None:
        self._latency = latency
        self._trace = trace
        self._voice_ended_at = 0.0
        self._turn_over_at: float | None = None
        self._spoke_at: float | None = None

    def turn_over(self, now: float, hangover_s: float) -> None:
        """The caller has finished; the voice ended `hangover_s` ago."""
        self._voice_ended_at = now - hangover_s
        self._turn_over_at, self._spoke_at = now, None
        self._latency.observe(Stage.HANGOVER, hangover_s)
        self._trace.span("turn: hangover", self._voice_ended_at, now)

    def worker_spoke(self, now: float) -> None:
        """Audio of the worker has come."""
        if self._turn_over_at is not None and self._spoke_at is None:
            self._spoke_at = now
            self._latency.observe(Stage.WORKER, now - self._turn_over_at)

    def heard(self, now: float) -> None:
        """Audio of the worker has left towards the client."""
        if self._spoke_at is not None:
            self._latency.observe(Stage.PLAYOUT, now - self._spoke_at)
            self._latency.observe(Stage.TOTAL, now - self._voice_ended_at)
            if self._turn_over_at is not None:
                self._trace.span("answer: worker", self._turn_over_at, self._spoke_at)
            self._trace.span("answer: playout", self._spoke_at, now)
            self._turn_over_at = self._spoke_at = None

    def worker_stages(self, milliseconds: Mapping[str, float]) -> None:
        """What the worker says of an answer; stages that it names otherwise are its own affair."""
        for stage in _OF_WORKERS:
            if stage.value in milliseconds:
                self._latency.observe(stage, milliseconds[stage.value] / 1000)
