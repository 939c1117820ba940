"""What turn taking counts."""

from bisect import bisect_left
from dataclasses import dataclass, field

DELAY_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(slots=True)
class Delays:
    """How long answers of a model took, waiting included.

    Attributes:
        counts: answers by the first of DELAY_BUCKETS_S that is no less; the last element counts longer ones.
        sum_s: their sum.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(DELAY_BUCKETS_S) + 1))
    sum_s: float = 0.0

    def observe(self, delay_s: float) -> None:
        """Counts one."""
        self.counts[bisect_left(DELAY_BUCKETS_S, delay_s)] += 1
        self.sum_s += delay_s


@dataclass(slots=True)
class ModelCounters:
    """One model's work.

    Attributes:
        asked: windows or turns whose judgement was asked for.
        runs: inferences; one of the speech model may judge a window of each of many calls.
        judged: windows or turns judged.
        skipped: windows or turns not judged because too many waited.
        delays: from request to answer.
        cpu_s: CPU seconds spent, making features included.
    """

    asked: int = 0
    runs: int = 0
    judged: int = 0
    skipped: int = 0
    delays: Delays = field(default_factory=Delays)
    cpu_s: float = 0.0


@dataclass(slots=True)
class TurnCounters:
    """Totals of one process. Only the event loop changes them.

    Attributes:
        windows: windows of 32 ms heard while turns are looked for.
        windows_past_gate: those of them that were worth listening to.
        speech_model: the work of `SpeechModel`.
        end_of_turn_model: the work of `EndOfTurnModel`.
        levels_disbelieved: calls whose client measured silence where there was sound.
        starts: turns begun.
        stops: turns ended, other than by the client.
        idle_timeouts: idle timeouts told.
    """

    windows: int = 0
    windows_past_gate: int = 0
    speech_model: ModelCounters = field(default_factory=ModelCounters)
    end_of_turn_model: ModelCounters = field(default_factory=ModelCounters)
    levels_disbelieved: int = 0
    starts: int = 0
    stops: int = 0
    idle_timeouts: int = 0
