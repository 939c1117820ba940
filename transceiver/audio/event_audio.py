"""Audio that events carry: a client's pieces to samples, a model's samples to the client's format, each in order.

It comes over a reliable stream, so nothing is lost, late or concealed, and there is no clock: a piece is converted as
soon as it is there. What has to keep its place among the audio (a commit, the end of an answer) waits with `after`.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from offhook_datapath import AudioDecoder, AudioEncoder

from transceiver.audio.codec_pool import CodecPool
from transceiver.audio.input_stream import DecodeResult
from transceiver.audio.interface import EVENT_CODECS, Pcm, PcmListener
from transceiver.audio.jitter_buffer import Kind
from transceiver.audio.ordered import OrderedDecoding, OrderedEncoding
from transceiver.audio.settings import AudioSettings

STEP_US: Final = 2_500
"""Pieces are whole steps: what does not fill one waits for the next piece."""
LONGEST_PIECE_US: Final = 100_000
PCM24_HZ: Final = 24_000


class PooledEventInput(OrderedDecoding):
    """Implements `EventInput`."""

    def __init__(self, pool: CodecPool) -> None:
        super().__init__(pool)
        self._taps: list[tuple[int, PcmListener]] = []
        self._codec = ""
        self._decoder: AudioDecoder | None = None
        self._rest = b""
        self.media_time_us = 0
        self.waiting_us = 0

    def tap(self, sample_rate_hz: int, listener: PcmListener) -> None:
        """See `EventInput`."""
        self._taps.append((sample_rate_hz, listener))

    def untap(self, listener: PcmListener) -> None:
        """See `EventInput`."""
        self._taps = [tap for tap in self._taps if tap[1] != listener]

    def append(self, codec: str, audio: bytes) -> None:
        """See `EventInput`."""
        if codec != self._codec or self._decoder is None:
            self._codec, self._decoder, self._rest = codec, AudioDecoder(codec), b""
        step_bytes = EVENT_CODECS[codec] * STEP_US // 1_000_000
        longest_bytes = step_bytes * (LONGEST_PIECE_US // STEP_US)
        data = self._rest + audio
        whole = len(data) - len(data) % step_bytes
        self._rest = data[whole:]
        rates = sorted({rate for rate, _ in self._taps})
        for begin in range(0, whole, longest_bytes):
            piece = data[begin : min(begin + longest_bytes, whole)]
            duration_us = len(piece) // step_bytes * STEP_US
            self.waiting_us += duration_us
            job = (self._decoder, int(Kind.FRAME), piece, duration_us, rates)
            self._decode(job, partial(self._decoded, duration_us, rates))

    def _decoded(self, duration_us: int, rates: list[int], result: DecodeResult) -> None:
        level_dbov, _, samples = result
        begin_us = self.media_time_us
        self.media_time_us += duration_us
        self.waiting_us -= duration_us
        at_rate = dict(zip(rates, samples, strict=True))
        for rate, listener in tuple(self._taps):
            if rate in at_rate:
                listener(Pcm(at_rate[rate], begin_us, duration_us, level_dbov, concealed=False))


class PooledEventOutput(OrderedEncoding):
    """Implements `EventOutput`."""

    def __init__(self, sample_rate_hz: int, pool: CodecPool, settings: AudioSettings) -> None:
        super().__init__(pool)
        self._sample_rate_hz = sample_rate_hz
        self._settings = settings
        self._codec = ""
        self._encoder: AudioEncoder | None = None

    def convert(self, codec: str, samples: bytes, done: Callable[[bytes], None]) -> None:
        """See `EventOutput`."""
        if codec == "PCM24" and self._sample_rate_hz == PCM24_HZ:
            self.after(lambda: done(samples))
            return
        if codec != self._codec or self._encoder is None:
            self._codec = codec
            self._encoder = AudioEncoder(
                codec,
                self._sample_rate_hz,
                bitrate=self._settings.opus_bitrate,
                complexity=self._settings.opus_complexity,
                fec=False,
                dtx=False,
                max_playback_hz=PCM24_HZ,
            )
        self._encode((self._encoder, samples, 0, False), lambda result: done(result[0]))
