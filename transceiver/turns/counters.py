"""What turn taking counts."""

from dataclasses import dataclass


@dataclass(slots=True)
class TurnCounters:
    """Totals of one process. Only the event loop changes them.

    Attributes:
        windows: windows of 32 ms heard while turns are looked for.
        windows_past_gate: those of them that were loud enough to be listened to.
        windows_listened: windows that the speech model judged, pre-roll included.
        windows_skipped: windows that it did not judge, as newer ones of the same call were waiting.
        batches: runs of the speech model; each judges one window of each of several calls.
        listen_delay_s: seconds from a window's arrival to its judgement, summed over `windows_listened`.
        listen_cpu_s: CPU seconds of the speech model.
        questions: ends of turn asked for.
        questions_refused: those not answered, as too many were waiting.
        questions_overtaken: those not answered, as the caller spoke on or left first.
        answer_delay_s: seconds from question to answer, summed over those answered.
        answer_cpu_s: CPU seconds of the end-of-turn model and its features.
        levels_disbelieved: calls whose client measured silence where there was sound.
        turns: turns that ended by themselves.
        idle_timeouts: idle timeouts told.
    """

    windows: int = 0
    windows_past_gate: int = 0
    windows_listened: int = 0
    windows_skipped: int = 0
    batches: int = 0
    listen_delay_s: float = 0.0
    listen_cpu_s: float = 0.0
    questions: int = 0
    questions_refused: int = 0
    questions_overtaken: int = 0
    answer_delay_s: float = 0.0
    answer_cpu_s: float = 0.0
    levels_disbelieved: int = 0
    turns: int = 0
    idle_timeouts: int = 0
