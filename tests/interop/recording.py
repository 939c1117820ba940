"""What a browser heard, and what that says about the way the sound took."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]

SAMPLE_RATE = 48_000
# A jitter buffer first stretches and shrinks the sound until it knows the path.
SETTLING_S = 2.0
WINDOW_S = 2.0
LONGEST_DELAY_S = 1.5
# The telephone band. Opus's encoder filters speech below it, which turns the phase of its lowest tones by up to 66
# degrees (measured; coherence there is 0.99), so that a comparison by wave form hears a difference where no ear does.
BAND_HZ = (300, 3400)
# Below this a signal counts as silence (-50 dBFS).
AUDIBLE = 0.003


class Match(NamedTuple):
    """The best agreement of what came back with what was said.

    Attributes:
        correlation: normalised cross-correlation at that lag, -1 to 1.
        delay_s: the lag, which is the mouth-to-ear delay.
        at_s: where in the recording.
    """

    correlation: float
    delay_s: float
    at_s: float


class Recording:
    """Both directions of a call on one clock, at SAMPLE_RATE. Empty until filled.

    Attributes:
        local, remote: within BAND_HZ, which smears beginnings and ends by some milliseconds.
        said, heard: the same two as they were recorded.
        began_at_ms: when the first sample was recorded, on the page's clock.
    """

    def __init__(self) -> None:
        self.local: Samples = np.zeros(0)
        self.remote: Samples = np.zeros(0)
        self.said: Samples = np.zeros(0)
        self.heard: Samples = np.zeros(0)
        self.began_at_ms = 0.0

    def fill(self, local: Samples, remote: Samples, began_at_ms: float = 0.0) -> None:
        """Sets the two signals, of equal length, in -1 to 1."""
        self.said, self.heard, self.began_at_ms = local, remote, began_at_ms
        self.local, self.remote = _in_band(local), _in_band(remote)

    @property
    def duration_s(self) -> float:
        """Seconds recorded."""
        return len(self.local) / SAMPLE_RATE

    def match(self, *, window_s: float = WINDOW_S, longest_delay_s: float = LONGEST_DELAY_S) -> Match:
        """Compares windows of the remote signal with the local one before them; the best window's result.

        Raises:
            ValueError: no window after the settling time has sound in it.
        """
        window, step, longest = int(window_s * SAMPLE_RATE), SAMPLE_RATE // 2, int(longest_delay_s * SAMPLE_RATE)
        starts = range(int(SETTLING_S * SAMPLE_RATE), len(self.remote) - window + 1, step)
        matches = [self._match_at(start, window, longest) for start in starts if self._audible(start, window)]
        if not matches:
            raise ValueError(f"nothing was heard in {self.duration_s:.1f} s")
        return max(matches)

    def _audible(self, start: int, window: int) -> bool:
        return bool(np.sqrt(np.mean(self.remote[start : start + window] ** 2)) > AUDIBLE)

    def _match_at(self, start: int, window: int, longest_delay: int) -> Match:
        heard = self.remote[start : start + window]
        earliest = max(0, start - longest_delay)
        said = self.local[earliest : start + window]
        correlations = _normalised_correlation(said, heard)
        best = int(np.argmax(correlations))
        return Match(float(correlations[best]), (start - earliest - best) / SAMPLE_RATE, start / SAMPLE_RATE)


def resample(signal: Samples, rate: int) -> Samples:
    """The same sound at SAMPLE_RATE."""
    if rate == SAMPLE_RATE:
        return signal
    length = len(signal) * SAMPLE_RATE // rate
    result: Samples = np.fft.irfft(np.fft.rfft(signal), length) * (length / len(signal))
    return result


def _in_band(signal: Samples) -> Samples:
    spectrum = np.fft.rfft(signal)
    frequencies = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
    spectrum[(frequencies < BAND_HZ[0]) | (frequencies > BAND_HZ[1])] = 0
    result: Samples = np.fft.irfft(spectrum, len(signal))
    return result


def _normalised_correlation(signal: Samples, pattern: Samples) -> Samples:
    """Of `pattern` with every stretch of `signal` as long; by FFT, so that seconds at 48 kHz take milliseconds."""
    size = len(signal) + len(pattern)
    products = np.fft.irfft(np.fft.rfft(signal, size) * np.conj(np.fft.rfft(pattern, size)), size)
    energy = np.concatenate(([0.0], np.cumsum(signal**2)))
    energies = energy[len(pattern) :] - energy[: -len(pattern)]
    norms = np.sqrt(np.maximum(energies, 1e-9) * np.sum(pattern**2))
    result: Samples = products[: len(energies)] / norms
    return result


class Arrivals:
    """How the far side's packets came in. Empty until filled."""

    def __init__(self) -> None:
        self._seen: Sequence[Mapping[str, float]] = ()

    def fill(self, seen: Sequence[Mapping[str, float]]) -> None:
        """Sets the observations: at (ms), packets, lost, concealed (samples), the counters of getStats."""
        self._seen = seen

    @property
    def packets(self) -> int:
        """Packets that arrived while watched."""
        return int(self._span("packets"))

    @property
    def longest_gap_s(self) -> float:
        """The longest time without a new packet; as fine as the browser renews its figures, 50 ms in Chromium."""
        times = [seen["at"] for seen in self._seen]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0) / 1000

    @property
    def concealed_s(self) -> float:
        """Seconds of sound that the jitter buffer had to make up, to the sample: what a gap cost the ear."""
        return self._span("concealed") / SAMPLE_RATE

    def _span(self, counter: str) -> float:
        return self._seen[-1][counter] - self._seen[0][counter] if self._seen else 0.0
