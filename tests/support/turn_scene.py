"""Callers for turn taking: recorded speech on a timeline, noises, and a listener that writes down what it hears."""

import math
import os
import random
import struct
import wave
from array import array
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import pytest

from offhook.models.store import models_directory
from transceiver.turns.call_turns import CallTurns
from transceiver.turns.counters import TurnCounters
from transceiver.turns.interface import SAMPLE_RATE_HZ, TurnDetection
from transceiver.turns.listening import Ears
from transceiver.turns.questions import Questions

SPEECH_FILE = Path(__file__).parents[1] / "data/speech.wav"
# Where the voice begins and ends in it, by forced alignment (PocketSphinx's own, beside the recording).
VOICE_STARTS_US, VOICE_ENDS_US = 235_689, 6_761_690


def model_file(name: str) -> Path:
    """An installed model, or the test is skipped; in CI, where nothing may be missing, it fails instead."""
    path = models_directory() / name
    if not path.is_file():
        missing = f"{name} is not installed (`offhook models fetch`)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}, and CI must run this")
        pytest.skip(missing)
    return path


@cache
def speech() -> bytes:
    """7.1 s of somebody reading a sentence."""
    with wave.open(str(SPEECH_FILE)) as file:
        pcm: bytes = file.readframes(file.getnframes())
    return pcm


def silence(duration_s: float) -> bytes:
    """Digital silence."""
    return bytes(2 * round(duration_s * SAMPLE_RATE_HZ))


def noise(duration_s: float, level_dbov: float, *, seed: int = 1) -> bytes:
    """White noise."""
    generator = random.Random(seed)
    amplitude = 32768 * 10 ** (level_dbov / 20)
    return array(
        "h", (round(generator.gauss(0, amplitude)) for _ in range(round(duration_s * SAMPLE_RATE_HZ)))
    ).tobytes()


def music(duration_s: float, level_dbov: float) -> bytes:
    """Chords with partials and a beat, which change twice a second."""
    chords = cycle([(220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6)])
    amplitude = 32768 * 10 ** (level_dbov / 20) / 3
    samples = array("h")
    for chord in islice(chords, math.ceil(2 * duration_s)):
        for index in range(SAMPLE_RATE_HZ // 2):
            time_s = index / SAMPLE_RATE_HZ
            value = sum(math.sin(2 * math.pi * f * k * time_s) / k for f in chord for k in (1, 2, 3))
            samples.append(round(amplitude * value * math.exp(-3 * time_s)))
    return samples[: round(duration_s * SAMPLE_RATE_HZ)].tobytes()


def click(level_dbov: float = -6.0) -> bytes:
    """A key or a switch: 20 ms that die away."""
    amplitude = 32768 * 10 ** (level_dbov / 20)
    generator = random.Random(7)
    return b"".join(
        struct.pack("<h", round(amplitude * generator.uniform(-1, 1) * math.exp(-index / 60))) for index in range(320)
    )


def mixed(*tracks: bytes) -> bytes:
    """Tracks of one length on top of each other."""
    sums = map(sum, zip(*(array("h", track) for track in tracks), strict=True))
    return array("h", (max(-32768, min(32767, each)) for each in sums)).tobytes()


class Recorder:
    """A `TurnListener` that writes down what it hears."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, int]] = []

    def speech_started(self, start_us: int) -> None:
        self.events.append(("started", start_us, start_us))

    def speech_stopped(self, end_us: int, voice_end_us: int) -> None:
        self.events.append(("stopped", end_us, voice_end_us))

    def idle_timeout(self, start_us: int, end_us: int) -> None:
        self.events.append(("idle", end_us, start_us))

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.events]


class Caller:
    """A call's turn taking without threads, and the caller who talks to it, on a media clock that begins at 0."""

    def __init__(
        self, settings: TurnDetection, *, ears: Ears | None = None, questions: Questions | None = None
    ) -> None:
        self.heard = Recorder()
        self.counters = TurnCounters()
        self.turns = CallTurns(settings, self.heard, ears=ears, questions=questions, counters=self.counters)
        self.now_us = 0

    def says(self, pcm: bytes, *, piece_bytes: int = 640, level_dbov: int | None = None) -> None:
        """Sends audio in pieces, as 20 ms packets do."""
        for start in range(0, len(pcm), piece_bytes):
            piece = pcm[start : start + piece_bytes]
            self.turns.audio(piece, media_time_us=self.now_us, level_dbov=level_dbov)
            self.now_us += len(piece) // 2 * 1_000_000 // SAMPLE_RATE_HZ

    def sends_nothing(self, duration_s: float) -> None:
        """Media time passes without a packet."""
        self.now_us += round(duration_s * 1_000_000)
        self.turns.audio(b"", media_time_us=self.now_us)
