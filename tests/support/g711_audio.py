"""An `Audio` of G.711 µ-law without threads, so that a call can run in virtual time."""

from array import array
from collections.abc import Callable

from transceiver.audio.counters import AudioCounters
from transceiver.audio.interface import (
    ANY_RECEPTION,
    EventInput,
    EventOutput,
    InputAudio,
    ModelDecoder,
    ModelEncoder,
    Pcm,
    PcmListener,
    PcmPlayout,
    no_loss,
)
from transceiver.sdp.reception import Reception
from transceiver.session.actions import AudioReceived
from transceiver.session.playout_delay import PlayoutDelay
from transceiver.turns.level import level_dbov


def _expand(code: int) -> int:
    """One sample of ITU-T G.711 µ-law as 16 bit."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return -magnitude if code & 0x80 else magnitude


_SAMPLES = [_expand(code) for code in range(256)]

LOUD, QUIET = b"\x80\x00" * 80, b"\xff" * 160
"""20 ms of a tone at 4 kHz and of silence."""


class G711Input:
    """Implements `InputAudio`."""

    def __init__(self) -> None:
        self._taps: dict[PcmListener, int] = {}
        self.media_time_us = 0
        self.concealed_us = 0
        self.delay = PlayoutDelay(8000)

    def tap(self, sample_rate_hz: int, listener: PcmListener) -> None:
        self._taps[listener] = sample_rate_hz // 8000

    def untap(self, listener: PcmListener) -> None:
        self._taps.pop(listener, None)

    def receive(self, frame: AudioReceived) -> None:
        duration_us = len(frame.payload) * 125
        for listener, repeat in list(self._taps.items()):
            samples = array("h", [_SAMPLES[code] for code in frame.payload for _ in range(repeat)]).tobytes()
            listener(
                Pcm(samples, self.media_time_us, duration_us, level_dbov=round(-level_dbov(samples)), concealed=False)
            )
        self.media_time_us += duration_us

    def close(self) -> None:
        self._taps.clear()


class G711Audio:
    """Implements `Audio`, for input only."""

    supported = True
    waiting = 0

    def __init__(self) -> None:
        self.counters = AudioCounters()

    def open_input(self, codec: str) -> InputAudio:
        assert codec == "PCMU"
        return G711Input()

    def open_playout(
        self,
        codec: str,
        sample_rate_hz: int,
        *,
        max_buffered_ms: int,
        ready: Callable[[], None],
        reception: Reception = ANY_RECEPTION,
        fraction_lost: Callable[[], float] = no_loss,
    ) -> PcmPlayout:
        raise NotImplementedError

    def open_event_input(self) -> EventInput:
        raise NotImplementedError

    def open_event_output(self, sample_rate_hz: int) -> EventOutput:
        raise NotImplementedError

    def open_model_encoder(self, codec: str) -> ModelEncoder:
        raise NotImplementedError

    def open_model_decoder(self, codec: str, sample_rate_hz: int) -> ModelDecoder:
        raise NotImplementedError

    def close(self) -> None: ...
