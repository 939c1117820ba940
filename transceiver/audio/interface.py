"""What a call sees of PCM.

A process has one `Audio`: the codecs and the threads that run them. A call whose model takes the client's own codec
needs nothing of it. Any other opens an `InputAudio`, from which the model and turn taking hear the caller as samples,
and a `PcmPlayout`, which plays a model's samples in the client's codec. What comes in is decoded once, however many
listen and at whatever rates.

Samples are mono, signed 16 bit, little-endian. Everything here runs on the event loop, and nothing blocks.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from transceiver.audio.counters import AudioCounters
from transceiver.playout.pacer import PacedFrame, PlayedFrame
from transceiver.sdp.reception import Reception
from transceiver.session.actions import AudioReceived
from transceiver.session.playout_delay import PlayoutDelay

SAMPLE_RATES_HZ: Final = (8_000, 16_000, 24_000, 48_000)
"""The rates at which samples are to be had."""

EVENT_CODECS: Final = {"PCM24": 48_000, "PCMU": 8_000, "PCMA": 8_000}
"""What events carry, with its bytes a second: 16-bit samples at 24 kHz, or G.711."""

ANY_RECEPTION: Final = Reception()


def no_loss() -> float:
    """The client misses nothing."""
    return 0.0


class Pcm(NamedTuple):
    """A stretch of the caller's audio at one rate.

    Attributes:
        samples: mono, 16 bit, little-endian.
        media_time_us: when the first of them begins. Media time counts the samples since the session's first audio: it
            has no gaps and never goes back, at every rate alike.
        duration_us: how long they last: 2,500 to 120,000.
        level_dbov: how loud they are, measured on them: 0 (loudest) to 127 (digital silence), as in RFC 6464.
        concealed: they stand in for what was lost or late, or for silence of which the client sent nothing.
    """

    samples: bytes
    media_time_us: int
    duration_us: int
    level_dbov: int
    concealed: bool


PcmListener = Callable[[Pcm], None]
"""Hears the caller, in order of media time. Must not block."""


class InputAudio(Protocol):
    """One caller's voice as continuous samples.

    Audio that comes in order is passed on as soon as it is decoded. The playout clock decides how long one waits for
    what is missing: then it is concealed, so that media time goes on whether or not packets come.
    """

    def tap(self, sample_rate_hz: int, listener: PcmListener) -> None:
        """Lets `listener` hear the caller from here on, at one of SAMPLE_RATES_HZ. There is no limit to listeners.

        Raises:
            ValueError: the rate is not among them.
        """

    def untap(self, listener: PcmListener) -> None:
        """Ends that. With no listener left nothing is decoded; media time goes on all the same."""

    def receive(self, frame: AudioReceived) -> None:
        """Takes a frame of the client's codec, in the order in which the session gives them."""

    @property
    def media_time_us(self) -> int:
        """The end of what the listeners have heard."""

    @property
    def concealed_us(self) -> int:
        """How much of it was made up for packets that were lost or late."""

    @property
    def delay(self) -> PlayoutDelay:
        """The playout clock. The session tells it about each packet (`Session.follow`)."""

    def close(self) -> None:
        """The call is over: what is being decoded is thrown away, and no listener hears anything more."""


class EventInput(Protocol):
    """A caller's audio that comes in events, as samples. It may come faster than it is spoken."""

    media_time_us: int
    """The end of what the listeners have heard."""
    waiting_us: int
    """What was appended and has not been heard."""

    def tap(self, sample_rate_hz: int, listener: PcmListener) -> None:
        """Lets `listener` hear what is appended from here on, at one of SAMPLE_RATES_HZ."""

    def untap(self, listener: PcmListener) -> None:
        """Ends that."""

    def append(self, codec: str, audio: bytes) -> None:
        """Takes audio of one of EVENT_CODECS, in pieces of any length. Less than 2.5 ms waits for what follows."""

    def after(self, then: Callable[[], None]) -> None:
        """Calls `then` once everything appended so far has been heard; at once if it has."""

    def close(self) -> None:
        """The session is over: no listener hears anything more."""


class EventOutput(Protocol):
    """A model's samples as events carry them. Order is kept over both methods."""

    def convert(self, codec: str, samples: bytes, done: Callable[[bytes], None]) -> None:
        """Converts to one of EVENT_CODECS; `done` gets the result, at once where nothing is to be done."""

    def after(self, then: Callable[[], None]) -> None:
        """Calls `then` once everything before has been converted; at once if it has."""

    def close(self) -> None:
        """The session is over."""


class ModelEncoder(Protocol):
    """A caller's samples as frames of a model's codec. Order is kept over both methods."""

    sample_rate_hz: int
    """Of the samples that it takes."""

    def encode(self, pcm: Pcm, done: Callable[[Pcm], None]) -> None:
        """Encodes; `done` gets each frame that is whole, its payload where the samples were."""

    def after(self, then: Callable[[], None]) -> None:
        """Calls `then` once everything before is with its `done`, what fills no frame padded with silence."""

    def close(self) -> None:
        """The session is over, or the model another."""


class ModelDecoder(Protocol):
    """A model's frames as samples. Order is kept over both methods."""

    def decode(self, payload: bytes, duration_us: int, done: Callable[[bytes], None]) -> None:
        """Decodes a frame; `done` gets its samples, none of what is no frame."""

    def after(self, then: Callable[[], None]) -> None:
        """Calls `then` once everything before has been decoded; at once if it has."""

    def close(self) -> None:
        """The session is over."""


class Playout(Protocol):
    """A queue of a model's audio, with its times on the wire clock. `Pacer` is that of frames in the client's codec."""

    @property
    def buffered_ms(self) -> int:
        """Audio that has not been played."""

    @property
    def playing(self) -> str:
        """The response whose audio was played last; empty before the first."""

    def played_us(self, response_id: str) -> int:
        """How much of the current response's own audio has been played; 0 for any other."""

    def received_us(self, response_id: str, unconfirmed: int | None) -> int:
        """How much of it has been received, where the last `unconfirmed` frames may not be; None: nothing may."""

    def take_played_ms(self, *, at_least: int) -> int:
        """Whole milliseconds played since the last call that returned any; 0 until there are `at_least` of them."""

    def push(self, payload: bytes, *, media_time_us: int, duration_us: int, now: float, response_id: str = "") -> bool:
        """Queues audio that has come now; False if the queue is full and it is dropped."""

    def pass_on(
        self, payload: bytes, *, media_time_us: int, duration_us: int, response_id: str, now: float
    ) -> PacedFrame | PlayedFrame | None:
        """Queues and commits a frame with nothing before it; None, and nothing has changed, if it has to be pushed."""

    def is_due(self, now: float) -> bool:
        """Whether all that is committed should have left, and there is some: then `settle` is to be told."""

    def flush(self, response_id: str | None = None) -> int:
        """Drops what has not been played of `response_id` (None: of all). Returns the milliseconds dropped.

        What is committed must have been taken back, and `settle` been told of it.
        """

    def fall_silent(self, now: float) -> None:
        """After a flush: ends what was cut off with silence, if nothing follows it."""

    def next_commit(self, now: float) -> float | None:
        """When `commit` is to be called next. None while nothing is ready; `buffered_ms` may be above 0 then."""

    def commit(self, now: float) -> list[PacedFrame]:
        """The next frames of the client's codec, in order, each with the time when it is to leave by itself."""

    def settle(self, waiting: int, now: float) -> list[str]:
        """All committed frames but the last `waiting` have left. Returns the responses that have begun to be played."""

    def next_change(self) -> float | None:
        """When a committed frame leaves that is the first of another response, or the last of all that is ready."""

    def close(self) -> None:
        """The call is over."""


class PcmPlayout(Playout, Protocol):
    """The same for samples: a payload is any number of them at the model's rate, encoded shortly before it is due.

    Durations and positions are of the model's samples, exactly: what a frame was padded with counts for nothing.
    Encoding takes a moment, so `next_commit` may turn from None to a time without a push; `ready` is called then.
    """


class Audio(Protocol):
    """Codecs and their threads, one of a process."""

    @property
    def supported(self) -> bool:
        """False where the native module is missing: then there are no samples, and `open_…` must not be called."""

    def open_input(self, codec: str) -> InputAudio:
        """Starts hearing a client that speaks `codec` ("opus", "PCMU" or "PCMA")."""

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
        """Starts speaking to a client that hears `codec`, from samples at one of SAMPLE_RATES_HZ.

        Args:
            max_buffered_ms: bound of the queue, as of a Pacer.
            reception: how the client wants its audio.
            fraction_lost: what share of our packets it has missed of late: so much redundancy is added.
            ready: called when frames have become ready of which `next_commit` did not know.
        """

    def open_event_input(self) -> EventInput:
        """Starts hearing a client whose audio comes in events."""

    def open_event_output(self, sample_rate_hz: int) -> EventOutput:
        """Starts speaking in events, from samples at one of SAMPLE_RATES_HZ."""

    def open_model_encoder(self, codec: str) -> ModelEncoder:
        """Starts speaking to a model that takes `codec` ("opus", "PCMU" or "PCMA") and no samples."""

    def open_model_decoder(self, codec: str, sample_rate_hz: int) -> ModelDecoder:
        """Starts hearing a model that gives `codec`, as samples at one of SAMPLE_RATES_HZ."""

    @property
    def counters(self) -> AudioCounters:
        """What all this has cost and lost."""

    @property
    def waiting(self) -> int:
        """Jobs that the threads have not done yet."""

    def close(self) -> None:
        """Stops the threads."""
