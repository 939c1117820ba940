"""Real speech as frames of any codec, and how alike two recordings of it are."""

import wave
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from offhook_datapath import AudioDecoder, AudioEncoder, decode_audio, encode_audio

SPEECH = Path(__file__).parents[1] / "data" / "speech.wav"
SPEECH_HZ = 16_000
FRAME_MS = 20
CLOCK_RATES = {"opus": 48_000, "PCMU": 8_000, "PCMA": 8_000}

Samples = NDArray[np.int16]


@cache
def speech() -> Samples:
    """Seven seconds at 16 kHz."""
    with wave.open(str(SPEECH)) as recording:
        samples: Samples = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    return samples


def to_bytes(samples: Samples) -> bytes:
    return samples.astype("<i2").tobytes()


def from_bytes(samples: bytes) -> Samples:
    read: Samples = np.frombuffer(samples, "<i2")
    return read


@cache
def frames_of_speech(codec: str, *, loss_percent: int = 0, seconds: float = 7.1) -> list[bytes]:
    """It in frames of 20 ms, over and over until it has lasted `seconds`."""
    repeated = np.resize(speech(), int(seconds * SPEECH_HZ))
    return encode(codec, repeated, loss_percent=loss_percent)


def encode(codec: str, samples: Samples, *, loss_percent: int = 0, frame_ms: int = FRAME_MS) -> list[bytes]:
    """Samples at 16 kHz as frames."""
    encoder = AudioEncoder(codec, SPEECH_HZ, bitrate=32_000, complexity=5, fec=True, dtx=False, max_playback_hz=48_000)
    size = SPEECH_HZ * frame_ms // 1000
    pieces = [samples[start : start + size] for start in range(0, len(samples) - size + 1, size)]
    return [payload for payload, _ in encode_audio([(encoder, to_bytes(each), loss_percent, False) for each in pieces])]


def decode(codec: str, frames: list[bytes]) -> Samples:
    """Frames of 20 ms as samples at 16 kHz."""
    decoder = AudioDecoder(codec)
    decoded = decode_audio([(decoder, 0, each, FRAME_MS * 1000, [SPEECH_HZ]) for each in frames])
    return from_bytes(b"".join(samples[0] for _, _, samples in decoded))


def likeness(heard: Samples, original: Samples, *, longest_lag_ms: int = 100) -> float:
    """1 for the same speech (however loud, at whatever delay up to `longest_lag_ms`), near 0 for something else.

    The correlation of their loudness in windows of 10 ms: a codec changes the wave form and keeps this.
    """
    window = SPEECH_HZ // 100
    first, second = _loudness(heard, window), _loudness(original, window)
    length = min(len(first), len(second)) - longest_lag_ms // 10
    assert length > 50, "too short to be compared"
    reference = second[:length]
    return max(float(np.corrcoef(first[lag : lag + length], reference)[0, 1]) for lag in range(longest_lag_ms // 10))


def _loudness(samples: Samples, window: int) -> NDArray[np.float64]:
    whole = samples[: len(samples) // window * window].astype(np.float64).reshape(-1, window)
    loudness: NDArray[np.float64] = np.sqrt((whole**2).mean(axis=1))
    return loudness
