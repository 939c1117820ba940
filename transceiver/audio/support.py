"""Whether this installation has codecs. Everything else of a call works where they are missing."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import NoReturn

from transceiver.audio.counters import AudioCounters
from transceiver.audio.interface import (
    ANY_RECEPTION,
    Audio,
    EventInput,
    EventOutput,
    InputAudio,
    ModelDecoder,
    ModelEncoder,
    PcmPlayout,
    no_loss,
)
from transceiver.audio.settings import AudioSettings
from transceiver.sdp.reception import Reception


class NoAudio:
    """Implements `Audio` where the native module is missing."""

    supported = False
    waiting = 0

    def __init__(self) -> None:
        self.counters = AudioCounters()

    def open_input(self, codec: str) -> InputAudio:
        """Must not be called."""
        self._refuse()

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
        """Must not be called."""
        self._refuse()

    def open_event_input(self) -> EventInput:
        """Must not be called."""
        self._refuse()

    def open_event_output(self, sample_rate_hz: int) -> EventOutput:
        """Must not be called."""
        self._refuse()

    def open_model_encoder(self, codec: str) -> ModelEncoder:
        """Must not be called."""
        self._refuse()

    def open_model_decoder(self, codec: str, sample_rate_hz: int) -> ModelDecoder:
        """Must not be called."""
        self._refuse()

    def close(self) -> None:
        """Nothing is held."""

    def _refuse(self) -> NoReturn:
        raise RuntimeError("this installation has no codecs; ask `supported` first")


def open_audio(settings: AudioSettings) -> Audio:
    """The codecs of this process, or none."""
    if find_spec("offhook_datapath") is None:
        return NoAudio()
    # Here and not above, so that this module loads where the native one is missing.
    from transceiver.audio.native import NativeAudio  # noqa: PLC0415  (reason: the line above)

    return NativeAudio(settings, AudioCounters())
