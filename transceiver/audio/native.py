"""Codecs of this process, by the native module. Loaded only where that is installed: see `open_audio`."""

import time
from collections.abc import Callable

from offhook_datapath import AudioEncoder

from transceiver.audio.codec_pool import CodecPool
from transceiver.audio.counters import AudioCounters
from transceiver.audio.event_audio import PooledEventInput, PooledEventOutput
from transceiver.audio.input_audio import PooledInputAudio
from transceiver.audio.input_stream import InputStream
from transceiver.audio.interface import ANY_RECEPTION, no_loss
from transceiver.audio.model_codec import PooledModelDecoder, PooledModelEncoder
from transceiver.audio.pcm_playout import EncodingPlayout, Framing
from transceiver.audio.settings import CLOCK_RATES, AudioSettings
from transceiver.playout.silence import SILENCE
from transceiver.sdp.reception import Reception


class NativeAudio:
    """Implements `Audio`."""

    supported = True

    def __init__(self, settings: AudioSettings, counters: AudioCounters) -> None:
        self.counters = counters
        self._settings = settings
        self._pool = CodecPool(settings.threads, counters)

    @property
    def waiting(self) -> int:
        """Jobs that wait for the codec threads or are with them."""
        return self._pool.waiting

    def open_input(self, codec: str) -> PooledInputAudio:
        """See `Audio`."""
        return PooledInputAudio(InputStream(codec, CLOCK_RATES[codec], self.counters), self._pool, time.monotonic)

    def open_playout(
        self,
        codec: str,
        sample_rate_hz: int,
        *,
        max_buffered_ms: int,
        ready: Callable[[], None],
        reception: Reception = ANY_RECEPTION,
        fraction_lost: Callable[[], float] = no_loss,
    ) -> EncodingPlayout:
        """See `Audio`."""
        encoder = AudioEncoder(
            codec,
            sample_rate_hz,
            bitrate=min(self._settings.opus_bitrate, reception.max_bitrate or self._settings.opus_bitrate),
            complexity=self._settings.opus_complexity,
            fec=reception.fec,
            dtx=reception.dtx,
            max_playback_hz=reception.max_playback_hz,
        )
        return EncodingPlayout(
            encoder,
            self._pool,
            self.counters,
            framing=Framing(sample_rate_hz, CLOCK_RATES[codec], reception.frame_ms * 1000, SILENCE[codec]),
            max_buffered_ms=max_buffered_ms,
            now=time.monotonic,
            ready=ready,
            fraction_lost=fraction_lost,
        )

    def open_event_input(self) -> PooledEventInput:
        """See `Audio`."""
        return PooledEventInput(self._pool)

    def open_event_output(self, sample_rate_hz: int) -> PooledEventOutput:
        """See `Audio`."""
        return PooledEventOutput(sample_rate_hz, self._pool, self._settings)

    def open_model_encoder(self, codec: str) -> PooledModelEncoder:
        """See `Audio`."""
        return PooledModelEncoder(codec, self._pool, self._settings)

    def open_model_decoder(self, codec: str, sample_rate_hz: int) -> PooledModelDecoder:
        """See `Audio`."""
        return PooledModelDecoder(codec, sample_rate_hz, self._pool)

    def close(self) -> None:
        """See `Audio`."""
        self._pool.close()
