"""hibari: text to speech, a sentence at a time, 24 kHz. Its voice "heart" is in its package."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from hibari import Hibari

from offhook_worker.replies import Speech, Word
from offhook_worker.samples import to_pcm

SAMPLE_RATE_HZ = 24_000
SLOWEST, FASTEST = 0.5, 2.0

_AUDIBLE = 0.01
_LEAD_S, _TAIL_S = 0.02, 0.18
"""hibari begins with 0.3 s of silence, which a caller would wait through, and ends with 0.45 s."""
_RAMP_S = 0.005

# Letters in a row, which hibari would run together, are spoken one by one.
_LETTERS = re.compile(r"[,:] (?=(?:[A-Z]|space)[,.])")

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Spoken:
    """One sentence, ready to leave."""

    speech: Speech
    duration_s: float


class Voice:
    """The loaded voice. `speak` may run in several threads at once."""

    def __init__(self) -> None:
        self._hibari = Hibari(voice="heart", threads=1)

    def warm_up(self) -> None:
        """The first sentence takes half a second more than the others."""
        self.speak("Warming up: 1, 2, 3.", 1.0)

    def speak(self, sentence: str, speed: float) -> Spoken:
        """`sentence` as sound, its words timed by their share of it."""
        spelled = _LETTERS.sub(".\n", sentence)
        pieces = [_trim(piece) for piece in self._hibari.stream(spelled, min(max(speed, SLOWEST), FASTEST))]
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        duration_s = len(samples) / SAMPLE_RATE_HZ
        return Spoken(Speech(to_pcm(samples), time_words(sentence, duration_s)), duration_s)


def time_words(sentence: str, duration_s: float) -> tuple[Word, ...]:
    """The words of a sentence that takes `duration_s`; the sentence's start is exact, each word by its length."""
    words = [word for word in sentence.split(" ") if word]
    total = sum(len(word) + 1 for word in words)
    timed, before = [], 0
    # The space before the first word belongs to the text when this is not the first sentence.
    leading = " " if sentence.startswith(" ") else ""
    for number, word in enumerate(words):
        start_us = round(duration_s * 1_000_000 * before / total)
        timed.append(Word((leading if number == 0 else " ") + word, start_us))
        before += len(word) + 1
    return tuple(timed)


def _trim(samples: Samples) -> Samples:
    audible = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    if not len(audible):
        return np.zeros(0, np.float32)
    first = max(0, int(audible[0]) - int(_LEAD_S * SAMPLE_RATE_HZ))
    last = min(len(samples), int(audible[-1]) + int(_TAIL_S * SAMPLE_RATE_HZ))
    cut = samples[first:last].copy()
    ramp = min(len(cut), int(_RAMP_S * SAMPLE_RATE_HZ))
    cut[:ramp] *= np.linspace(0, 1, ramp, dtype=np.float32)
    cut[len(cut) - ramp :] *= np.linspace(1, 0, ramp, dtype=np.float32)
    return cut
