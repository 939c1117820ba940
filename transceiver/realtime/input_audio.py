"""The input audio buffer: what the caller has said since the last item, by media time. The fabric keeps no audio.

Media time is in microseconds since the first of the session's audio, on every transport.
"""

from dataclasses import dataclass

from transceiver.realtime.errors import EventError
from transceiver.realtime.ids import new_id

SHORTEST_COMMIT_US = 100_000


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of input audio that is, or will be, the user's item `item_id`."""

    item_id: str
    start_us: int
    end_us: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return max(0, self.end_us - self.start_us) / 1e6


class InputAudioBuffer:
    """Where the buffer begins and ends, and which turn is under way."""

    def __init__(self) -> None:
        self._begins_us = 0
        self._end_us = 0
        self._speech: tuple[str, int] | None = None

    @property
    def end_us(self) -> int:
        """Media time of the end of all audio so far."""
        return self._end_us

    @property
    def begins_us(self) -> int:
        """Media time at which the buffer begins: the end of the last item."""
        return self._begins_us

    @property
    def under_way(self) -> Utterance | None:
        """The turn that the caller is in, as it began; None between turns."""
        return Utterance(*self._speech, self._speech[1]) if self._speech is not None else None

    @property
    def speaking(self) -> str | None:
        """The item that the caller is speaking; None between turns."""
        return self._speech[0] if self._speech is not None else None

    def received(self, end_us: int) -> None:
        """Audio up to `end_us` has come."""
        self._end_us = max(self._end_us, end_us)

    def speech_started(self, start_us: int, item_id: str | None = None) -> Utterance:
        """A turn begins; its item gets its id now."""
        item_id = item_id or new_id("item")
        self._speech = (item_id, start_us)
        return Utterance(item_id, start_us, start_us)

    def speech_stopped(self, end_us: int, item_id: str | None = None) -> Utterance:
        """The turn is over and its audio committed. One whose start nobody told begins where the buffer does."""
        known, start_us = self._speech or (item_id or new_id("item"), self._begins_us)
        self._empty(end_us)
        return Utterance(known, min(start_us, end_us), end_us)

    def commit(self) -> Utterance:
        """The client says that what is in the buffer is an item.

        Raises:
            EventError: it holds hardly anything.
        """
        buffered_us = self._end_us - self._begins_us
        if buffered_us < SHORTEST_COMMIT_US:
            raise EventError(
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {buffered_us / 1000:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        item_id = self.speaking or new_id("item")
        start_us = self._begins_us
        self._empty(self._end_us)
        return Utterance(item_id, start_us, self._end_us)

    def clear(self) -> Utterance:
        """The client says that what is in the buffer is void."""
        void = Utterance(self.speaking or "", self._begins_us, self._end_us)
        self._empty(self._end_us)
        return void

    def _empty(self, at_us: int) -> None:
        self._speech = None
        self._begins_us = max(self._begins_us, at_us)
        self._end_us = max(self._end_us, at_us)
