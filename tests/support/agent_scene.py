"""The voice agent for tests: its models, speech to put to it, and how its answers are heard."""

import re
import wave
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from offhook_worker import Audio
from offhook_worker.agent.local_parts import MOONSHINE_DIRECTORY
from offhook_worker.agent.moonshine import Moonshine
from offhook_worker.agent.voice import Voice
from offhook_worker.samples import float32, to_pcm

from offhook.models.store import models_directory

SPEECH = Path(__file__).parent.parent / "data" / "speech.wav"
SPEECH_TEXT = (
    "And Mister John Dashwood had then leisure to consider how much there might be prudently in his power "
    "to do for them."
)

Samples = npt.NDArray[np.float32]


@cache
def recogniser() -> Moonshine:
    """What hears the answers."""
    return Moonshine(models_directory() / MOONSHINE_DIRECTORY)


@cache
def _voice() -> Voice:
    return Voice()


@cache
def spoken(text: str) -> bytes:
    """`text` as a caller says it: 16 kHz PCM, with the quiet before and after that a microphone picks up."""
    samples = _samples(_voice().speak(text, 1.0).speech.pcm)
    return to_pcm(np.concatenate([np.zeros(3200, np.float32), resample(samples, 24_000, 16_000)]))


def real_speech() -> bytes:
    """Seven seconds of a real voice, 16 kHz PCM."""
    with wave.open(str(SPEECH)) as recording:
        frames: bytes = recording.readframes(recording.getnframes())
        return frames


def heard(pcm: bytes, sample_rate_hz: int = 24_000) -> str:
    """What a listener understands of an answer."""
    return recogniser().transcribe(resample(_samples(pcm), sample_rate_hz, 16_000))


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Linear interpolation: good enough for what a recogniser is to understand."""
    positions = np.arange(0, len(samples), from_hz / to_hz)
    resampled: Samples = np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)
    return resampled


def _samples(pcm: bytes) -> Samples:
    return float32(Audio(pcm, duration_us=1))


def words(text: str) -> list[str]:
    """Words alone, for comparison."""
    return re.findall(r"[a-z0-9]+", text.lower().replace("mr.", "mister"))


def word_errors(truth: str, transcript: str) -> int:
    """Edit distance in words."""
    right, got = words(truth), words(transcript)
    row = list(range(len(got) + 1))
    for number, word in enumerate(right, 1):
        last, row[0] = row[0], number
        for column, other in enumerate(got, 1):
            last, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, last + (word != other))
    return row[-1]
