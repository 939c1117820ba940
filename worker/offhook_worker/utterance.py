"""The caller's audio, kept until a turn claims it. Sans-IO."""

from dataclasses import dataclass

from offhook_worker.audio import Audio

LONGEST_S = 120
"""Audio that no turn has claimed is kept this long; then the oldest goes. Nobody speaks longer in one breath."""

_SAMPLE_BYTES = 2
_TRIM_S = 5
"""The oldest goes in pieces of this length, as each removal moves what is left."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What the caller said in one turn.

    Attributes:
        pcm: 16-bit samples, one channel. `offhook_worker.samples` makes arrays of them.
        start_us: when it begins, in media time of the input.
    """

    pcm: bytes
    sample_rate_hz: int
    start_us: int

    @property
    def duration_s(self) -> float:
        """Its length."""
        return len(self.pcm) / (_SAMPLE_BYTES * self.sample_rate_hz)

    @property
    def end_us(self) -> int:
        """When it ends, in media time of the input."""
        return self.start_us + round(self.duration_s * 1_000_000)


class InputBuffer:
    """Input audio on its time line, one channel of 16-bit samples. What was lost is silence."""

    def __init__(self, sample_rate_hz: int, longest_s: float = LONGEST_S) -> None:
        self._rate = sample_rate_hz
        self._longest = round(longest_s * sample_rate_hz)
        self._pcm = bytearray()
        self._start_us = 0

    @property
    def start_us(self) -> int:
        """Media time of the oldest sample kept."""
        return self._start_us

    @property
    def end_us(self) -> int:
        """Media time at which the next sample is due."""
        return self._start_us + self._samples_to_us(len(self._pcm) // _SAMPLE_BYTES)

    def add(self, audio: Audio) -> None:
        """Appends a piece. What lies before the end of what is there already is ignored."""
        gap = self._us_to_samples(audio.media_time_us - self.end_us) if self._pcm else 0
        pcm = audio.payload
        if not self._pcm:
            self._start_us = audio.media_time_us
        elif gap > self._longest:
            self._pcm.clear()
            self._start_us = audio.media_time_us
        elif gap > 0:
            self._pcm += bytes(gap * _SAMPLE_BYTES)
        elif gap < 0:
            pcm = pcm[-gap * _SAMPLE_BYTES :]
        self._pcm += pcm[: len(pcm) // _SAMPLE_BYTES * _SAMPLE_BYTES]
        excess = len(self._pcm) // _SAMPLE_BYTES - self._longest
        if excess > _TRIM_S * self._rate:
            self._drop(excess)

    def between(self, start_us: int, end_us: int | None = None) -> Utterance:
        """A copy of what is kept from `start_us` to `end_us` (default: the end)."""
        total = len(self._pcm) // _SAMPLE_BYTES
        first = min(max(0, self._us_to_samples(start_us - self._start_us)), total)
        last = total if end_us is None else min(max(first, self._us_to_samples(end_us - self._start_us)), total)
        pcm = bytes(memoryview(self._pcm)[first * _SAMPLE_BYTES : last * _SAMPLE_BYTES])
        return Utterance(pcm, self._rate, self._start_us + self._samples_to_us(first))

    def forget(self, before_us: int) -> None:
        """Drops what lies before `before_us`."""
        total = len(self._pcm) // _SAMPLE_BYTES
        self._drop(min(max(0, self._us_to_samples(before_us - self._start_us)), total))

    def _drop(self, samples: int) -> None:
        del self._pcm[: samples * _SAMPLE_BYTES]
        self._start_us += self._samples_to_us(samples)

    def _us_to_samples(self, duration_us: int) -> int:
        return round(duration_us * self._rate / 1_000_000)

    def _samples_to_us(self, samples: int) -> int:
        return round(samples * 1_000_000 / self._rate)
