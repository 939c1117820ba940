"""What a Whisper encoder hears: the logarithm of the energy in 80 mel bands, 100 times a second.

As Whisper defines it (https://github.com/openai/whisper/blob/main/whisper/audio.py): a power spectrum over 25 ms every
10 ms with Hann's window, mirrored at both ends; bands on Slaney's mel scale; at most 8 decades below the loudest.
"""

import numpy as np
from numpy.typing import NDArray

from transceiver.turns.interface import SAMPLE_RATE_HZ

MEL_BANDS = 80
FRAME_SAMPLES = 400
HOP_SAMPLES = 160

Floats = NDArray[np.float32]

_LEAST_ENERGY = np.float32(1e-10)
_LEAST_VARIANCE = 1e-7
_DECADES = 8.0


def log_mel(samples: Floats) -> Floats:
    """Features of `samples` at 16 kHz, first brought to mean 0 and variance 1: [MEL_BANDS, len(samples) // 160]."""
    samples = (samples - samples.mean()) / np.float32(np.sqrt(samples.var() + _LEAST_VARIANCE))
    mirrored = np.pad(samples, FRAME_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, FRAME_SAMPLES)[:-1:HOP_SAMPLES]
    spectrum = np.fft.rfft(frames * _HANN)
    energy = spectrum.real**2 + spectrum.imag**2
    decades = np.log10(np.maximum(_MEL_FILTERS @ energy.T, _LEAST_ENERGY))
    features: Floats = (np.maximum(decades, decades.max() - _DECADES) + 4) / 4
    return features.astype(np.float32, copy=False)


def _mel_of(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: 15 mel per kHz up to 1 kHz, logarithmic above, 27 mel for each factor of 6.4."""
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / np.log(6.4))


def _hertz_of(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def _mel_filters() -> Floats:
    """One triangle of area 1 for each band, over the frequencies of the spectrum: [MEL_BANDS, 201]."""
    frequencies = np.fft.rfftfreq(FRAME_SAMPLES, 1 / SAMPLE_RATE_HZ)
    highest = _mel_of(np.array(SAMPLE_RATE_HZ / 2))
    corners = _hertz_of(np.linspace(0, highest, MEL_BANDS + 2))
    low, peak, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (frequencies - low) / (peak - low), (high - frequencies) / (high - peak)
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return triangles.astype(np.float32)


_HANN = np.hanning(FRAME_SAMPLES + 1)[:-1].astype(np.float32)
_MEL_FILTERS = _mel_filters()
