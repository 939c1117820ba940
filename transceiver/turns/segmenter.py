"""From the probability of speech in each window to the starts and stops of turns. Sans-IO."""

from dataclasses import dataclass
from typing import NamedTuple

from transceiver.turns.interface import Eagerness, SemanticVad, ServerVad

# Silero's own distance between the thresholds of start and stop: a voice that trails off does not flicker.
_HYSTERESIS = 0.15
_LEAST_STOP_THRESHOLD = 0.01

PAUSES_US = (160_000, 288_000)
"""Silence after which an end of turn is asked for, and asked for again where the first answer was no.

The model is made to be asked after 200 ms; of most questions it is as sure after 160, of short ones often not before
260. Later it takes the silence itself for an end, whatever was said.
"""

LATE_US = 96_000
"""A speech model takes some 50 to 150 ms to be sure of silence: where it was quiet by then, the voice had ended."""

UNJUDGED_SILENCE_MS = {Eagerness.LOW: 1200, Eagerness.MEDIUM: 800, Eagerness.AUTO: 800, Eagerness.HIGH: 500}
"""Silence that ends a turn under `SemanticVad` where nothing can tell whether the sentence is finished."""


class SpeechStarted(NamedTuple):
    """See `TurnListener.speech_started`."""

    start_us: int


class SpeechStopped(NamedTuple):
    """See `TurnListener.speech_stopped`."""

    end_us: int
    voice_end_us: int


class Paused(NamedTuple):
    """The voice has been silent for one of PAUSES_US: is the sentence finished? Audio up to `end_us` tells."""

    start_us: int
    end_us: int


class Resumed(NamedTuple):
    """The voice went on after it had paused."""


Event = SpeechStarted | SpeechStopped | Paused | Resumed


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings mean window by window.

    Attributes:
        start_threshold: probability from which a window is speech.
        stop_threshold: probability below which a window is silence; between the two it is what it was.
        min_speech_us: speech before a turn starts: a click is no word.
        prefix_us: audio before the speech that belongs to the turn.
        silence_us: silence that ends the turn.
        asks: a pause is reported, as something can tell whether the sentence is finished.
        unjudged_us: silence that ends the turn where that could not tell.
    """

    start_threshold: float
    stop_threshold: float
    min_speech_us: int
    prefix_us: int
    silence_us: int
    asks: bool
    unjudged_us: int

    @staticmethod
    def of(settings: ServerVad | SemanticVad, *, min_speech_us: int, can_ask: bool) -> "Rules":
        """The rules of `settings`; `can_ask` where a model knows ends of turns."""
        if isinstance(settings, ServerVad):
            vad, asks = settings, False
            silence_ms = unjudged_ms = settings.silence_duration_ms
        else:
            vad, asks = ServerVad(), can_ask
            unjudged_ms = UNJUDGED_SILENCE_MS[settings.eagerness]
            silence_ms = settings.eagerness.longest_wait_ms if can_ask else unjudged_ms
        stop_threshold = max(_LEAST_STOP_THRESHOLD, vad.threshold - _HYSTERESIS)
        return Rules(
            start_threshold=max(stop_threshold, vad.threshold),
            stop_threshold=stop_threshold,
            min_speech_us=min_speech_us,
            prefix_us=1000 * vad.prefix_padding_ms,
            silence_us=1000 * silence_ms,
            asks=asks,
            unjudged_us=1000 * unjudged_ms,
        )


class SpeechSegmenter:
    """Follows one caller's speech.

    It begins silent. Windows come in order of time; some may come a second time, judged by more than before, as long
    as no turn has ended in them.
    """

    def __init__(self, rules: Rules, floor_us: int) -> None:
        self.rules = rules
        self._floor_us = floor_us
        self._last_probability = 0.0
        self._onset_us: int | None = None
        self._voiced_us = 0
        self._start_us: int | None = None
        self._voice_end_us: int | None = None
        self._quiet_from_us: int | None = None
        self._asked = 0
        self._answered = 0
        self._unjudged = False

    @property
    def speaking(self) -> bool:
        """A turn is under way."""
        return self._start_us is not None

    @property
    def quiet(self) -> bool:
        """No turn is under way, and none seems to begin."""
        return self._start_us is None and self._onset_us is None

    def restart(self, floor_us: int) -> None:
        """Forgets a turn under way; none starts before `floor_us` any more."""
        self._floor_us = max(self._floor_us, floor_us)
        self._start_us = self._voice_end_us = self._onset_us = None

    def hear(self, start_us: int, end_us: int, probability: float | None, *, quiet: bool = False) -> Event | None:
        """Takes the next window's probability of speech; None if it was not judged: the same as before.

        Args:
            quiet: it was not louder than the room, whatever the probability.
        """
        if not quiet:
            self._quiet_from_us = None
        elif self._quiet_from_us is None or start_us < self._quiet_from_us:
            self._quiet_from_us = start_us
        if probability is None:
            probability = self._last_probability
        self._last_probability = probability
        if end_us <= self._floor_us:
            return None
        if self._start_us is None:
            return self._hear_silent(start_us, end_us, probability)
        return self._hear_speaking(start_us, end_us, probability)

    def judge(self, pause: Paused, *, finished: bool | None) -> SpeechStopped | None:
        """Answers a pause; None where nothing could tell. An answer that speech has overtaken changes nothing."""
        if not self.rules.asks or not self._asked or self._voice_end_us is None:
            return None
        silent_us = PAUSES_US[self._asked - 1]
        if pause.end_us != self._voice_end_us + silent_us:
            return None
        self._answered = self._asked
        if finished is None:
            self._unjudged = True
            return None
        return self._stop(silent_us) if finished else None

    def _hear_silent(self, start_us: int, end_us: int, probability: float) -> Event | None:
        if probability < self.rules.stop_threshold:
            self._onset_us = None
        elif probability >= self.rules.start_threshold:
            if self._onset_us is None:
                self._onset_us, self._voiced_us = start_us, 0
            self._voiced_us += end_us - start_us
            if self._voiced_us >= self.rules.min_speech_us:
                self._start_us = max(self._floor_us, self._onset_us - self.rules.prefix_us)
                self._onset_us = self._voice_end_us = None
                return SpeechStarted(self._start_us)
        return None

    def _hear_speaking(self, start_us: int, end_us: int, probability: float) -> Event | None:
        if probability >= self.rules.start_threshold:
            resumed = self._voice_end_us is not None and self._asked > 0
            self._voice_end_us = None
            return Resumed() if resumed else None
        if self._voice_end_us is None:
            if probability >= self.rules.stop_threshold:
                return None
            self._voice_end_us = self._voice_ended(start_us)
            self._asked, self._answered, self._unjudged = 0, 0, False
        silent_us = end_us - self._voice_end_us
        ends_us = self.rules.unjudged_us if self._unjudged else self.rules.silence_us
        if silent_us >= ends_us:
            return self._stop(ends_us)
        if self._is_to_ask(silent_us):
            assert self._start_us is not None
            self._asked += 1
            return Paused(self._start_us, self._voice_end_us + PAUSES_US[self._asked - 1])
        return None

    def _voice_ended(self, silent_from_us: int) -> int:
        """When the voice ended of which the model says that it was over at `silent_from_us`."""
        assert self._start_us is not None
        if self._quiet_from_us is None:
            return silent_from_us
        return min(silent_from_us, max(self._quiet_from_us, silent_from_us - LATE_US, self._start_us))

    def _is_to_ask(self, silent_us: int) -> bool:
        """Whether it is time for the next question: the one before has its answer, and that was no."""
        if not self.rules.asks or self._unjudged or self._asked > self._answered or self._asked == len(PAUSES_US):
            return False
        return silent_us >= PAUSES_US[self._asked]

    def _stop(self, silent_us: int) -> SpeechStopped:
        assert self._voice_end_us is not None
        stopped = SpeechStopped(self._voice_end_us + silent_us, self._voice_end_us)
        self.restart(stopped.end_us)
        return stopped
