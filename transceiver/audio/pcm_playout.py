"""A model's samples on their way to the caller: cut into frames, encoded shortly before they are due, paced.

A model may be seconds ahead of the wire clock. Its samples wait as samples and only the next LEAD_US of them, what the
pacer commits, are encoded: so a barge-in drops little work, and no burst of one call holds the codec threads up.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from offhook_datapath import AudioEncoder

from transceiver.audio.codec_pool import CodecPool, EncodeResult
from transceiver.audio.counters import AudioCounters
from transceiver.playout.pacer import LEAD_S, TOP_UP_S, PacedFrame, Pacer

_BYTES_PER_SAMPLE: Final = 2
_MICROSECONDS: Final = 1_000_000

LEAD_US: Final = round(LEAD_S * _MICROSECONDS)
"""Encoded ahead of the wire clock."""
TAIL_WAIT_S: Final = 0.04
"""What does not fill a frame waits at least so long for more, then is padded with silence,"""
TAIL_LEAD_S: Final = 0.1
"""but no earlier than so long before it is due."""


@dataclass(frozen=True, slots=True)
class Framing:
    """From a model's samples to packets.

    Attributes:
        sample_rate_hz: of the samples.
        clock_rate: of the packets' RTP timestamps, in Hz.
        frame_us: what one packet holds.
        silence: a packet without sound.
    """

    sample_rate_hz: int
    clock_rate: int
    frame_us: int = 20_000
    silence: bytes = b""

    @property
    def frame_bytes(self) -> int:
        """Samples of one packet, in bytes."""
        return self.sample_rate_hz * self.frame_us // _MICROSECONDS * _BYTES_PER_SAMPLE


@dataclass(slots=True)
class _Stretch:
    """Samples of one response that follow each other without a gap; `gap_us` of silence lies before them."""

    response_id: str
    gap_us: int
    samples: bytearray


@dataclass(slots=True)
class _Encoding:
    """A frame that is with the codec threads."""

    response_id: str
    gap_us: int
    content_us: int
    dropped: bool = False


class EncodingPlayout:
    """Implements `PcmPlayout`.

    Args:
        encoder: of the client's codec, from the model's rate.
        max_buffered_ms: bound of all that waits, samples and frames.
        now: monotonic clock in seconds.
        ready: called when frames have become ready of which `next_commit` did not know.
        fraction_lost: what share of our packets the client has missed of late.
    """

    def __init__(
        self,
        encoder: AudioEncoder,
        pool: CodecPool,
        counters: AudioCounters,
        *,
        framing: Framing,
        max_buffered_ms: int,
        now: Callable[[], float],
        ready: Callable[[], None],
        fraction_lost: Callable[[], float],
    ) -> None:
        self._encoder = encoder
        self._pool = pool
        self._lane = pool.open_lane()
        self._counters = counters
        self._sample_rate_hz = framing.sample_rate_hz
        self._frame_us = framing.frame_us
        self._frame_bytes = framing.frame_bytes
        self._max_buffered_us = max_buffered_ms * 1000
        self._now = now
        self._ready = ready
        self._fraction_lost = fraction_lost
        self._pacer = Pacer(
            framing.clock_rate, max_buffered_ms=max_buffered_ms + LEAD_US // 1000, silence=framing.silence
        )
        self._stretches: deque[_Stretch] = deque()
        self._encoding: deque[_Encoding] = deque()
        self._expected: tuple[str, int] | None = None
        self._waiting = 0
        """Samples that are not encoded yet."""
        self._pacer_us: tuple[str, int] = ("", 0)
        self._pushed_at = 0.0
        self._reset = False
        self._closed = False

    @property
    def buffered_ms(self) -> int:
        """See `Playout`."""
        return (self._us(self._waiting) + self._encoding_us) // 1000 + self._pacer.buffered_ms

    @property
    def playing(self) -> str:
        """See `Playout`."""
        return self._pacer.playing

    def played_us(self, response_id: str) -> int:
        """See `Playout`."""
        return self._pacer.played_us(response_id)

    def received_us(self, response_id: str, unconfirmed: int | None) -> int:
        """See `Playout`."""
        return self._pacer.received_us(response_id, unconfirmed)

    def take_played_ms(self, *, at_least: int) -> int:
        """See `Playout`."""
        return self._pacer.take_played_ms(at_least=at_least)

    def push(self, payload: bytes, *, media_time_us: int, duration_us: int, now: float, response_id: str = "") -> bool:
        """See `Playout`. The duration is that of the samples, whatever `duration_us` says."""
        count = len(payload) // _BYTES_PER_SAMPLE
        length_us = self._us(count)
        if self._us(self._waiting) + length_us > self._max_buffered_us:
            return False
        gap_us = self._gap_us(response_id, media_time_us)
        self._expected = (response_id, media_time_us + length_us)
        last = self._stretches[-1] if self._stretches else None
        if last is None or last.response_id != response_id or gap_us:
            last = _Stretch(response_id, gap_us, bytearray())
            self._stretches.append(last)
        last.samples += payload[: count * _BYTES_PER_SAMPLE]
        self._waiting += count
        self._pushed_at = now
        self._encode_ahead()
        return True

    def pass_on(
        self, payload: bytes, *, media_time_us: int, duration_us: int, response_id: str, now: float
    ) -> PacedFrame | None:
        """Never: samples have to be encoded."""
        return None

    def is_due(self, now: float) -> bool:
        """See `Playout`."""
        return self._pacer.is_due(now)

    def flush(self, response_id: str | None = None) -> int:
        """See `Playout`. What comes next is encoded as a beginning."""
        before = self._waiting
        kept = [each for each in self._stretches if response_id is not None and each.response_id != response_id]
        self._stretches = deque(kept)
        self._waiting = sum(len(each.samples) for each in kept) // _BYTES_PER_SAMPLE
        flushed_us = self._us(before - self._waiting)
        for frame in self._encoding:
            if not frame.dropped and response_id in (None, frame.response_id):
                frame.dropped = True
                flushed_us += frame.content_us
                self._counters.flushed_frames += 1
        self._reset = True
        return flushed_us // 1000 + self._pacer.flush(response_id)

    def fall_silent(self, now: float) -> None:
        """See `Playout`."""
        if not self._stretches:
            self._pacer.fall_silent(now)

    def next_commit(self, now: float) -> float | None:
        """See `Playout`. It is also when more is to be encoded."""
        when = self._pacer.next_commit(now)
        if when is not None or not self._stretches or self._encoding:
            return when
        return self._tail_due if self._is_tail else self._before_end(TOP_UP_S)

    def commit(self, now: float) -> list[PacedFrame]:
        """See `Playout`."""
        return self._pacer.commit(now)

    def settle(self, waiting: int, now: float) -> list[str]:
        """See `Playout`."""
        begun = self._pacer.settle(waiting, now)
        self._encode_ahead(tail=now >= self._tail_due)
        return begun

    def next_change(self) -> float | None:
        """See `Playout`."""
        return self._pacer.next_change()

    def close(self) -> None:
        """See `Playout`."""
        if not self._closed:
            self._closed = True
            self.flush()
            self._pool.leave(self._lane)

    @property
    def _is_tail(self) -> bool:
        """Whether all that waits is less than a frame."""
        return len(self._stretches) == 1 and len(self._stretches[0].samples) < self._frame_bytes

    @property
    def _tail_due(self) -> float:
        """When it is no use to wait for more of it."""
        return max(self._pushed_at + TAIL_WAIT_S, self._before_end(TAIL_LEAD_S))

    def _before_end(self, lead_s: float) -> float:
        return 0.0 if self._pacer.ends_at is None else self._pacer.ends_at - lead_s

    @property
    def _encoding_us(self) -> int:
        return sum(frame.content_us for frame in self._encoding if not frame.dropped)

    def _us(self, samples: int) -> int:
        return samples * _MICROSECONDS // self._sample_rate_hz

    def _gap_us(self, response_id: str, media_time_us: int) -> int:
        """The silence before the next samples; a leap longer than the queue is none."""
        if self._expected is None or self._expected[0] != response_id:
            return 0
        # A rounded microsecond is no gap.
        gap_us = media_time_us - self._expected[1]
        return gap_us if self._frame_us // 20 <= gap_us <= self._max_buffered_us else 0

    def _encode_ahead(self, *, tail: bool = False) -> None:
        """Keeps LEAD_US encoded. A part of a frame goes only before something else, or as the tail."""
        while self._stretches and self._pacer.buffered_ms * 1000 + self._encoding_us < LEAD_US:
            stretch = self._stretches[0]
            if self._is_tail and not (tail and not self._encoding):
                return
            self._encode(stretch)
            if not stretch.samples:
                self._stretches.popleft()

    def _encode(self, stretch: _Stretch) -> None:
        samples = bytes(stretch.samples[: self._frame_bytes])
        del stretch.samples[: self._frame_bytes]
        count = len(samples) // _BYTES_PER_SAMPLE
        content_us = self._us(count)
        self._waiting -= count
        self._encoding.append(_Encoding(stretch.response_id, stretch.gap_us, content_us))
        stretch.gap_us = 0
        if not stretch.samples and len(self._stretches) > 1 and self._stretches[1].response_id == stretch.response_id:
            # The padding is part of the silence that follows.
            padding_us = self._frame_us - content_us
            self._stretches[1].gap_us = max(0, self._stretches[1].gap_us - padding_us)
        job = (self._encoder, samples.ljust(self._frame_bytes, b"\0"), round(self._fraction_lost() * 100), self._reset)
        self._reset = False
        self._lane.encode(job, self._encoded)

    def _encoded(self, result: EncodeResult) -> None:
        frame = self._encoding.popleft()
        payload, level_dbov = result
        if self._closed or frame.dropped or not payload:
            return
        nothing_was_due = self._pacer.next_commit(0.0) is None
        response_id, end_us = self._pacer_us
        start_us = end_us + frame.gap_us if response_id == frame.response_id else frame.gap_us
        self._pacer_us = (frame.response_id, start_us + self._frame_us)
        self._pacer.push(
            payload,
            media_time_us=start_us,
            duration_us=self._frame_us,
            now=self._now(),
            response_id=frame.response_id,
            content_us=frame.content_us,
            level_dbov=level_dbov,
        )
        if nothing_was_due:
            self._ready()
