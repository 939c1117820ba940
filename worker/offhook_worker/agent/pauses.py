"""Where in speech nobody speaks, by loudness alone. Sans-IO.

This decides nothing about turns (the fabric does); it tells when it is worth writing down what was said so far, and
where a long speech may be cut.
"""

import numpy as np
import numpy.typing as npt

FRAME_S = 0.02
QUIETER_DB = 24.0
"""Than the loudest of late: a pause. Between words speech falls by less, between sentences by more."""
FLOOR_DB = -58.0
"""Quieter than this is silence, whatever came before."""
_FORGET_DB_PER_S = 3.0

Samples = npt.NDArray[np.float32]


class PauseDetector:
    """Follows one caller's loudness.

    Attributes:
        voiced_until_us: end of the last piece that was not quiet, in media time.
        quiet_since_us: start of the pause now; None while somebody speaks.
    """

    def __init__(self) -> None:
        self.voiced_until_us = 0
        self.quiet_since_us: int | None = None
        self._peak_db = FLOOR_DB

    def hear(self, samples: Samples, start_us: int, duration_us: int) -> None:
        """The next piece, some 20 ms long."""
        level_db = loudness_db(samples)
        self._peak_db = max(level_db, self._peak_db - _FORGET_DB_PER_S * duration_us / 1_000_000, FLOOR_DB)
        if level_db <= max(self._peak_db - QUIETER_DB, FLOOR_DB):
            self.quiet_since_us = start_us if self.quiet_since_us is None else self.quiet_since_us
        else:
            self.voiced_until_us = start_us + duration_us
            self.quiet_since_us = None


def loudness_db(samples: Samples) -> float:
    """Root mean square in dBFS; -120 for silence."""
    power = float(np.dot(samples, samples)) / len(samples) if len(samples) else 0.0
    return max(-120.0, 10 * float(np.log10(power))) if power > 0 else -120.0


def without_silence(samples: Samples, sample_rate_hz: int, margin_s: float = 0.15) -> Samples:
    """`samples` from shortly before the first sound in it to shortly after the last; empty where there is none."""
    levels = _levels(samples, sample_rate_hz)
    if not len(levels) or levels.max() <= FLOOR_DB:
        return samples[:0]
    # Much quieter than a pause detector's threshold: the breath of an f or an s at the edge is part of a word.
    loud = np.flatnonzero(levels > max(FLOOR_DB, levels.max() - 40.0))
    step, margin = round(FRAME_S * sample_rate_hz), round(margin_s * sample_rate_hz)
    return samples[max(0, int(loud[0]) * step - margin) : (int(loud[-1]) + 1) * step + margin]


def quietest(samples: Samples, sample_rate_hz: int, earliest_s: float, latest_s: float) -> int:
    """Where to cut: the middle of the quietest fifth of a second from `earliest_s` to `latest_s`; index of a sample."""
    step = round(FRAME_S * sample_rate_hz)
    first = round(earliest_s * sample_rate_hz)
    levels = _levels(samples[first : round(latest_s * sample_rate_hz)], sample_rate_hz)
    width = min(10, len(levels))
    if not width:
        return min(first, len(samples))
    smooth = np.convolve(levels, np.ones(width) / width, mode="valid")
    return first + (int(smooth.argmin()) + width // 2) * step


def _levels(samples: Samples, sample_rate_hz: int) -> npt.NDArray[np.float64]:
    """Loudness of each whole frame in dBFS."""
    step = round(FRAME_S * sample_rate_hz)
    frames = samples[: len(samples) // step * step].reshape(-1, step)
    power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / step
    levels: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(power, 1e-12))
    return levels
