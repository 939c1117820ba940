"""What a model hears and says that takes no samples, where its client's audio comes in events: frames of Opus or G.711.

Order is kept, as in `event_audio`: what has to keep its place among the audio waits with `after`.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from offhook_datapath import AudioDecoder, AudioEncoder

from transceiver.audio.codec_pool import CodecPool, EncodeResult
from transceiver.audio.input_stream import DecodeResult
from transceiver.audio.interface import Pcm
from transceiver.audio.jitter_buffer import Kind
from transceiver.audio.ordered import OrderedDecoding, OrderedEncoding
from transceiver.audio.settings import CLOCK_RATES, AudioSettings

OPUS: Final = "opus"
FRAME_US: Final = 20_000
"""Of Opus towards a model."""
SHORTEST_US: Final = 2_500
LONGEST_US: Final = 120_000
PIECE_BYTES: Final = 800
"""Of G.711, 100 ms: a model's frame may be longer than a decoder takes at once."""
BYTES_PER_SAMPLE: Final = 2


class _Encoding(NamedTuple):
    media_time_us: int
    duration_us: int
    level_dbov: int
    done: Callable[[Pcm], None]


class PooledModelEncoder(OrderedEncoding):
    """Implements `ModelEncoder`."""

    def __init__(self, codec: str, pool: CodecPool, settings: AudioSettings) -> None:
        super().__init__(pool)
        self.sample_rate_hz = CLOCK_RATES[codec]
        self._codec = codec
        self._encoder = AudioEncoder(
            codec,
            self.sample_rate_hz,
            bitrate=settings.opus_bitrate,
            complexity=settings.opus_complexity,
            fec=False,
            dtx=False,
            max_playback_hz=self.sample_rate_hz,
        )
        self._frame_bytes = self.sample_rate_hz * FRAME_US // 1_000_000 * BYTES_PER_SAMPLE
        # Samples that make no frame yet, and with what they came.
        self._rest = b""
        self._last: _Encoding | None = None

    def encode(self, pcm: Pcm, done: Callable[[Pcm], None]) -> None:
        """See `ModelEncoder`."""
        if self._codec != OPUS:
            self._submit(pcm.samples, _Encoding(pcm.media_time_us, pcm.duration_us, pcm.level_dbov, done))
            return
        begin_us = pcm.media_time_us - self._us(len(self._rest))
        samples = self._rest + pcm.samples
        whole = len(samples) - len(samples) % self._frame_bytes
        for begin in range(0, whole, self._frame_bytes):
            frame = _Encoding(begin_us + self._us(begin), FRAME_US, pcm.level_dbov, done)
            self._submit(samples[begin : begin + self._frame_bytes], frame)
        self._rest = samples[whole:]
        self._last = _Encoding(begin_us + self._us(whole), FRAME_US, pcm.level_dbov, done)

    def after(self, then: Callable[[], None]) -> None:
        """See `ModelEncoder`."""
        if self._rest and self._last is not None:
            self._submit(self._rest.ljust(self._frame_bytes, b"\0"), self._last)
            self._rest = b""
        super().after(then)

    def _us(self, size: int) -> int:
        return size // BYTES_PER_SAMPLE * 1_000_000 // self.sample_rate_hz

    def _submit(self, samples: bytes, frame: _Encoding) -> None:
        self._encode((self._encoder, samples, 0, False), partial(_encoded, frame))


def _encoded(frame: _Encoding, result: EncodeResult) -> None:
    frame.done(Pcm(result[0], frame.media_time_us, frame.duration_us, frame.level_dbov, concealed=False))


class PooledModelDecoder(OrderedDecoding):
    """Implements `ModelDecoder`."""

    def __init__(self, codec: str, sample_rate_hz: int, pool: CodecPool) -> None:
        super().__init__(pool)
        self._codec = codec
        self._rates = [sample_rate_hz]
        self._decoder = AudioDecoder(codec)
        self._parts: list[bytes] = []

    def decode(self, payload: bytes, duration_us: int, done: Callable[[bytes], None]) -> None:
        """See `ModelDecoder`."""
        pieces = self._pieces(payload, duration_us)
        if not pieces:
            self.after(lambda: done(b""))
            return
        for index, (piece, piece_us) in enumerate(pieces):
            last = done if index == len(pieces) - 1 else None
            job = (self._decoder, int(Kind.FRAME), piece, piece_us, self._rates)
            self._decode(job, partial(self._decoded, last))

    def _pieces(self, payload: bytes, duration_us: int) -> list[tuple[bytes, int]]:
        """What a decoder takes at once, with its duration; nothing of what is too short or, in Opus, too long."""
        if self._codec == OPUS:
            return [(payload, duration_us)] if SHORTEST_US <= duration_us <= LONGEST_US else []
        pieces = [payload[begin : begin + PIECE_BYTES] for begin in range(0, len(payload), PIECE_BYTES)]
        if len(pieces) > 1 and len(pieces[-1]) * 125 < SHORTEST_US:
            pieces[-2:] = [pieces[-2] + pieces[-1]]
        return [(piece, len(piece) * 125) for piece in pieces if len(piece) * 125 >= SHORTEST_US]

    def _decoded(self, last: Callable[[bytes], None] | None, result: DecodeResult) -> None:
        self._parts.append(result[2][0])
        if last is not None:
            samples, self._parts = b"".join(self._parts), []
            last(samples)
