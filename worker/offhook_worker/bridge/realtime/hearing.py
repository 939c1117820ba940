"""What the server gets to hear. Sans-IO.

Where the fabric decides turns the server hears them and nothing between: from the start of speech on, while the caller
still speaks, so that it may think along. Where it decides itself it hears everything, what was lost as silence.
"""

from collections.abc import Iterator

from offhook_worker.audio import Audio
from offhook_worker.bridge.realtime.requests import ClientEvent, Requests
from offhook_worker.events import TurnEvent, TurnKind
from offhook_worker.utterance import InputBuffer, Utterance

APPEND_US = 100_000
"""Audio goes in pieces of at least this length."""
SHORTEST_TURN_US = 100_000
"""A server refuses to commit less: silence is added."""


class Ear:
    """One call's audio on its way to the server.

    Attributes:
        offset_us: media time at which the server's own clock stands at zero.
    """

    def __init__(self, rate_hz: int, *, own_turns: bool) -> None:
        self.offset_us = 0
        self._rate = rate_hz
        self._own_turns = own_turns
        self._buffer = InputBuffer(rate_hz)
        self._sent_us = 0
        self._is_speaking = False
        self._has_appended = False
        self._has_begun = False

    def restart(self) -> None:
        """A new connection: the server has heard nothing."""
        self._has_begun = self._has_appended = False

    def hear(self, audio: Audio, requests: Requests) -> Iterator[ClientEvent]:
        """More audio."""
        self._buffer.add(audio)
        if not self._has_begun:
            self._has_begun = True
            self.offset_us = audio.media_time_us
            if self._own_turns:
                self._sent_us = audio.media_time_us
        if self._own_turns or self._is_speaking:
            yield from self._append(self._buffer.end_us, APPEND_US, requests)
        if self._own_turns:
            self._buffer.forget(self._sent_us)

    def turn(self, event: TurnEvent, requests: Requests) -> Iterator[ClientEvent]:
        """A step of a turn that the fabric decides."""
        match event.kind:
            case TurnKind.SPEECH_STARTED:
                yield from self._clear(requests)
                self._sent_us, self._is_speaking = event.start_us, True
                yield from self._append(self._buffer.end_us, APPEND_US, requests)
            case TurnKind.SPEECH_STOPPED:
                self._is_speaking = False
            case TurnKind.COMMITTED:
                yield from self._commit(event, requests)
            case TurnKind.CLEARED:
                self._is_speaking = False
                self._buffer.forget(self._buffer.end_us)
                yield from self._clear(requests)

    def utterance(self, event: TurnEvent) -> Utterance:
        """The audio of a turn that is being committed; ask before `turn`."""
        return self._buffer.between(event.start_us, event.end_us or None)

    def _commit(self, event: TurnEvent, requests: Requests) -> Iterator[ClientEvent]:
        end_us = event.end_us or self._buffer.end_us
        if not self._has_appended:
            self._sent_us = event.start_us
        yield from self._append(end_us, 0, requests)
        if (missing_us := SHORTEST_TURN_US - (end_us - event.start_us)) > 0:
            yield requests.append(bytes(2 * (missing_us * self._rate // 1_000_000)))
        yield requests.commit()
        self._is_speaking = self._has_appended = False
        self._buffer.forget(end_us)

    def _append(self, end_us: int, least_us: int, requests: Requests) -> Iterator[ClientEvent]:
        if end_us - self._sent_us < max(least_us, 1):
            return
        heard = self._buffer.between(self._sent_us, end_us)
        self._sent_us = end_us
        if heard.pcm:
            self._has_appended = True
            yield requests.append(heard.pcm)

    def _clear(self, requests: Requests) -> Iterator[ClientEvent]:
        if self._has_appended:
            self._has_appended = False
            yield requests.clear()
