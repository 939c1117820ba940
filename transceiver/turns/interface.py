"""What a call sees of turn taking.

A process has one `Turns`: the models, and the threads that run them. A call opens one `TurnTaking` on it, feeds it the
caller's audio and hears through its `TurnListener` when the caller starts and stops speaking. What follows from that
(committing the audio, interrupting an answer, asking for the next) is the call's business, and so are the settings
`create_response` and `interrupt_response` of the Realtime API.

All times are media time of the caller's audio in microseconds, on the clock of `TurnTaking.audio`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

SAMPLE_RATE_HZ = 16_000
"""Rate of the audio that turn taking hears: mono, 16 bit."""


class Eagerness(StrEnum):
    """How soon an unfinished sentence is taken for finished: https://platform.openai.com/docs/guides/realtime-vad."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    AUTO = "auto"
    """The same as medium."""

    @property
    def longest_wait_ms(self) -> int:
        """Silence after which the turn ends although the sentence sounds unfinished."""
        return {Eagerness.LOW: 8000, Eagerness.HIGH: 2000}.get(self, 4000)


@dataclass(frozen=True, slots=True)
class ServerVad:
    """The turn ends with a fixed length of silence. The Realtime API's `server_vad`.

    Attributes:
        threshold: 0 to 1, the probability from which a window of audio counts as speech. Higher suits noisy places.
        prefix_padding_ms: audio before the first speech that belongs to the turn.
        silence_duration_ms: silence that ends the turn.
        idle_timeout_ms: silence after the end of an answer that is reported as idle timeout; None: never.

    Raises:
        ValueError: `threshold` is outside 0 to 1, or a duration is negative.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    idle_timeout_ms: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be from 0 to 1, not {self.threshold}")
        for name in ("prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} must not be negative: {value}")


@dataclass(frozen=True, slots=True)
class SemanticVad:
    """The turn ends when the sentence sounds finished, at the latest after the eagerness' wait. `semantic_vad`."""

    eagerness: Eagerness = Eagerness.AUTO


TurnDetection = ServerVad | SemanticVad | None
"""How turns are found; None is push-to-talk: the client says itself where a turn ends."""


class SpeechDetector(StrEnum):
    """What tells speech from noise in this process."""

    SILERO = "silero"
    ENERGY = "energy"
    """No model is installed: loudness over the noise floor. It takes a door for a word now and then."""


class EndOfTurn(StrEnum):
    """What decides under `SemanticVad` whether a sentence is finished."""

    SMART_TURN = "smart_turn"
    SILENCE = "silence"
    """No model is installed: a pause of a fixed length, by eagerness."""


class TurnListener(Protocol):
    """Called on the event loop, in order of media time; must not block and may call the `TurnTaking` again.

    Starts and stops alternate, beginning with a start. Nothing comes after `close()`, nor under push-to-talk.
    """

    def speech_started(self, start_us: int) -> None:
        """The caller speaks: at once a reason to fall silent.

        Args:
            start_us: where the turn's audio begins: the first speech less the prefix padding, but not before the end
                of the previous turn, nor before the first audio.
        """

    def speech_stopped(self, end_us: int, voice_end_us: int) -> None:
        """The caller has finished. Audio up to `end_us` is the turn's; it counts as committed from here on.

        Args:
            end_us: end of the turn's audio, including the silence that ended it.
            voice_end_us: where the voice itself ended; what lies between is the detector's share of the latency.
        """

    def idle_timeout(self, start_us: int, end_us: int) -> None:
        """The caller said nothing from the end of the last answer, `start_us`, to `end_us`. Comes once per answer.

        Audio up to `end_us` counts as committed from here on.
        """


class TurnTaking(Protocol):
    """Turn taking of one call. All methods run on the event loop, none blocks, and none raises after `close()`."""

    @property
    def settings(self) -> TurnDetection:
        """The settings in force."""

    @property
    def speaking(self) -> bool:
        """True from speech_started to speech_stopped."""

    def audio(self, pcm: bytes, *, media_time_us: int, level_dbov: int | None = None) -> None:
        """Hears the next piece of the caller's audio, of any length.

        Concealed audio is audio. A gap in media time (DTX) counts as silence, so an empty piece merely tells how late
        it is. Media time does not go back: samples from before what was heard already are ignored.

        Args:
            pcm: mono samples at 16 kHz, signed 16 bit, little-endian.
            media_time_us: when its first sample is due on the media clock.
            level_dbov: how loud these samples are, as their decoder or the client (RFC 6464) measured, in -dBov: 0
                (loudest) to 127; None where nobody did. What is said to be silent is hardly looked at; a level that
                proves wrong is no longer believed.

        Raises:
            ValueError: `pcm` ends within a sample.
        """

    def configure(self, settings: TurnDetection) -> None:
        """Changes the settings from here on. A turn under way goes on under them; push-to-talk forgets it."""

    def committed(self, at_us: int) -> None:
        """The client committed or cleared the audio before `at_us` itself: no later turn starts before that.

        A turn under way is over without a stop; if the caller still speaks, the next starts.
        """

    def answer_started(self) -> None:
        """The caller is being answered: the idle timeout waits."""

    def answer_ended(self) -> None:
        """The caller has heard the answer to its end (not: it was sent). From here the idle timeout runs."""

    def close(self) -> None:
        """Ends it. What is still being computed for it is thrown away."""


class Turns(Protocol):
    """Turn taking of one process."""

    @property
    def speech_detector(self) -> SpeechDetector:
        """What serves: `ENERGY` where no model is installed."""

    @property
    def end_of_turn(self) -> EndOfTurn:
        """What serves `SemanticVad`: `SILENCE` where no model is installed."""

    def open(self, settings: TurnDetection, listener: TurnListener) -> TurnTaking:
        """Starts turn taking for one call."""

    def close(self) -> None:
        """Stops the threads. Each `TurnTaking` still open falls silent."""
