"""What Prometheus sees of turn taking. Values are read from the counters at scrape time; nothing is kept here."""

from collections.abc import Iterator
from operator import attrgetter

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from offhook.service.metric_families import counter, counters_by, gauges_by, histograms_by
from transceiver.turns.counters import DELAY_BUCKETS_S
from transceiver.turns.interface import EndOfTurn, SpeechDetector
from transceiver.turns.turns import ProcessTurns

# As `SpeechDetector` and `EndOfTurn` name them.
_MODELS = ("silero", "smart_turn")


class TurnsCollector(Collector):
    """Reads the turn taking of one process."""

    def __init__(self, turns: ProcessTurns) -> None:
        self._turns = turns

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._detectors()
        yield from self._events()
        yield from self._models()

    def _detectors(self) -> Iterator[Metric]:
        yield gauges_by(
            "fabric_transceiver_turns_speech_detector",
            "1 for what tells speech from noise here; energy means that no model is installed.",
            "detector",
            {each.value: float(each is self._turns.speech_detector) for each in SpeechDetector},
        )
        yield gauges_by(
            "fabric_transceiver_turns_end_of_turn",
            "1 for what decides under semantic_vad that a turn is over; silence means that no model is installed.",
            "detector",
            {each.value: float(each is self._turns.end_of_turn) for each in EndOfTurn},
        )

    def _events(self) -> Iterator[Metric]:
        counters = self._turns.counters
        heard = self._turns.speech_detector is SpeechDetector.ENERGY
        past_gate = counters.windows_past_gate
        yield counters_by(
            "fabric_transceiver_turns_windows",
            "Windows of 32 ms of callers' audio, by what judged them: gate is silence that cost no inference.",
            "judged_by",
            {"energy": counters.windows} if heard else {"silero": past_gate, "gate": counters.windows - past_gate},
        )
        yield counters_by(
            "fabric_transceiver_turns_events",
            "What calls were told.",
            "event",
            {
                "speech_started": counters.starts,
                "speech_stopped": counters.stops,
                "idle_timeout": counters.idle_timeouts,
            },
        )
        yield counter(
            "fabric_transceiver_turns_levels_disbelieved",
            "Calls whose client measured silence (RFC 6464) where there was sound; theirs is measured here instead.",
            counters.levels_disbelieved,
        )

    def _models(self) -> Iterator[Metric]:
        counters = self._turns.counters
        models = dict(zip(_MODELS, (counters.speech_model, counters.end_of_turn_model), strict=True))
        for name, text, value in (
            ("asked", "Windows (silero) or turns (smart_turn) to be judged.", attrgetter("asked")),
            ("inferences", "Runs of a model; one of silero judges a window of each of many calls.", attrgetter("runs")),
            ("judged", "Windows (silero) or turns (smart_turn) judged.", attrgetter("judged")),
            (
                "skipped",
                "Windows (silero) or turns (smart_turn) not judged because too many waited.",
                attrgetter("skipped"),
            ),
            ("inference_cpu_seconds", "CPU time of a model.", attrgetter("cpu_s")),
        ):
            by_model = {model: value(of) for model, of in models.items()}
            yield counters_by(f"fabric_transceiver_turns_{name}", text, "model", by_model)
        yield histograms_by(
            "fabric_transceiver_turns_delay_seconds",
            "From a request to a model's answer, waiting included.",
            "model",
            DELAY_BUCKETS_S,
            {model: (of.delays.counts, of.delays.sum_s) for model, of in models.items()},
        )
