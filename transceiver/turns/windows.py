"""Cuts audio of any chunking into windows of one length on the media clock. Sans-IO."""

from collections.abc import Iterator
from typing import NamedTuple

from transceiver.turns.interface import SAMPLE_RATE_HZ

WINDOW_SAMPLES = 512
"""What Silero hears at once."""
WINDOW_BYTES = 2 * WINDOW_SAMPLES
WINDOW_US = WINDOW_SAMPLES * 1_000_000 // SAMPLE_RATE_HZ

# Media time that differs by less from the samples heard is rounding, not a gap.
_TOLERANCE_US = 5_000
# A longer gap is not filled with samples of silence: it becomes one long window without any.
_LONGEST_FILLED_US = 1_000_000


class Window(NamedTuple):
    """A stretch of audio that is judged as a whole.

    Attributes:
        start_us: media time of its first sample.
        end_us: media time after its last sample; WINDOW_US later, unless it is a long gap.
        pcm: WINDOW_BYTES of samples; empty for a long gap, which is silence.
        client_level_dbov: loudest of the client's measurements in it (RFC 6464), in -dBov; None unless it measured all.
    """

    start_us: int
    end_us: int
    pcm: bytes
    client_level_dbov: int | None


class WindowCutter:
    """Collects pieces of audio and gives out whole windows. The same audio gives the same windows however it is cut."""

    def __init__(self) -> None:
        self._start_us: int | None = None
        self._partial = bytearray()
        self._level: int | None = 127

    @property
    def now_us(self) -> int:
        """Media time up to which audio has been heard; 0 before the first."""
        return 0 if self._start_us is None else self._start_us + _length_us(len(self._partial))

    def push(self, pcm: bytes, media_time_us: int, level_dbov: int | None) -> Iterator[Window]:
        """Takes the next piece; see `TurnTaking.audio`. The windows must be consumed before the next call.

        Raises:
            ValueError: `pcm` ends within a sample.
        """
        if len(pcm) % 2:
            raise ValueError(f"{len(pcm)} bytes are no whole number of 16 bit samples")
        if self._start_us is None:
            self._start_us = media_time_us
        ahead_us = media_time_us - self.now_us
        if ahead_us > _TOLERANCE_US:
            return self._after_gap(ahead_us, pcm, media_time_us, level_dbov)
        if ahead_us < -_TOLERANCE_US:
            pcm = pcm[2 * (-ahead_us * SAMPLE_RATE_HZ // 1_000_000) :]
        return self._append(pcm, level_dbov)

    def _append(self, pcm: bytes, level_dbov: int | None) -> Iterator[Window]:
        taken = 0
        while taken < len(pcm):
            piece = pcm[taken : taken + WINDOW_BYTES - len(self._partial)]
            taken += len(piece)
            self._partial += piece
            self._level = None if level_dbov is None or self._level is None else min(self._level, level_dbov)
            if len(self._partial) == WINDOW_BYTES:
                yield self._take()

    def _take(self) -> Window:
        assert self._start_us is not None
        window = Window(self._start_us, self._start_us + WINDOW_US, bytes(self._partial), self._level)
        self._start_us = window.end_us
        self._partial.clear()
        self._level = 127
        return window

    def _after_gap(self, gap_us: int, pcm: bytes, media_time_us: int, level_dbov: int | None) -> Iterator[Window]:
        if gap_us <= _LONGEST_FILLED_US:
            yield from self._append(bytes(2 * (gap_us * SAMPLE_RATE_HZ // 1_000_000)), 127)
        else:
            if self._partial:
                yield from self._append(bytes(WINDOW_BYTES - len(self._partial)), 127)
            assert self._start_us is not None
            yield Window(self._start_us, media_time_us, b"", 127)
            self._start_us = media_time_us
        yield from self._append(pcm, level_dbov)


def _length_us(pcm_bytes: int) -> int:
    return pcm_bytes // 2 * 1_000_000 // SAMPLE_RATE_HZ
