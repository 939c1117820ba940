"""What `TurnWorker.respond` yields, and how speech becomes frames on the clock of its response."""

from collections.abc import Iterator
from dataclasses import dataclass

from offhook_worker.audio import Audio
from offhook_worker.model import AudioFormat
from offhook_worker.outputs import Error, Transcript

FRAME_MS = 20
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Word:
    """One word (or more, with the spaces around it) and when it begins, from the start of its Speech."""

    text: str
    start_us: int


@dataclass(frozen=True, slots=True)
class Speech:
    """Some more of a spoken answer, of any length: a chunk of a model's, or a sentence.

    Attributes:
        pcm: 16-bit samples at the rate of the session's output format (`offhook_worker.samples.to_pcm` makes them of
            an array).
        words: what is said in it: in one piece, or each word with its time, so that an interruption cuts the
            transcript where the caller stopped listening.
    """

    pcm: bytes
    words: str | tuple[Word, ...] = ""


@dataclass(frozen=True, slots=True)
class CallFunction:
    """Calls a function that the session declares; its result comes with a later turn. `arguments` is a JSON object."""

    name: str
    arguments: str = "{}"


Reply = Speech | CallFunction | str
"""A str is text that is not spoken."""


class AnswerFailed(Exception):
    """Raised in `TurnWorker.respond` (or by a Listener) to fail an answer with a reason of one's own.

    Raised in `VoiceWorker.on_session` it ends the call. Any other exception has the same effect, but is logged with its
    trace, and the caller learns no more than that.

    Attributes:
        error: for the caller.
    """

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


class ResponseClock:
    """The time line of one response's audio, to the sample."""

    def __init__(self, response_id: str, output_format: AudioFormat) -> None:
        self._response_id = response_id
        self._rate = output_format.sample_rate_hz
        self._sample_bytes = _SAMPLE_BYTES * output_format.channels
        self._samples = 0

    @property
    def position_us(self) -> int:
        """How much audio there is so far."""
        return self._samples * 1_000_000 // self._rate

    def frames(self, speech: Speech) -> Iterator[Audio | Transcript]:
        """Its audio in frames, each word just before the frame in which it begins."""
        if len(speech.pcm) % self._sample_bytes:
            raise ValueError("speech ends within a sample")
        words = self._words(speech)
        start_us = self.position_us
        step = self._rate * FRAME_MS // 1000 * self._sample_bytes
        upcoming = next(words, None)
        for offset in range(0, len(speech.pcm), step):
            frame = self._frame(speech.pcm[offset : offset + step])
            while upcoming is not None and upcoming.start_us + start_us < frame.media_time_us + frame.duration_us:
                yield self._transcript(upcoming, start_us)
                upcoming = next(words, None)
            yield frame
        while upcoming is not None:
            yield self._transcript(upcoming, start_us)
            upcoming = next(words, None)

    def _words(self, speech: Speech) -> Iterator[Word]:
        if isinstance(speech.words, tuple):
            return iter(speech.words)
        return iter([Word(speech.words, 0)] if speech.words else [])

    def _transcript(self, word: Word, start_us: int) -> Transcript:
        return Transcript(self._response_id, word.text, start_us + word.start_us)

    def _frame(self, pcm: bytes) -> Audio:
        begins_us = self.position_us
        self._samples += len(pcm) // self._sample_bytes
        return Audio(
            pcm, duration_us=self.position_us - begins_us, media_time_us=begins_us, response_id=self._response_id
        )
