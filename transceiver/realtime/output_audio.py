"""The output audio buffer: what the fabric plays out for a caller who has the answer on a track of its own.

The pacer knows to the sample what was played. Here that becomes `output_audio_buffer.*` events, and what a barge-in
makes of the conversation: the item ends where the caller's hearing did.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from transceiver.realtime.effects import FlushPlayout, Outbox
from transceiver.realtime.response import Response
from transceiver.realtime.schema import server_events

CutReason = Literal["turn_detected", "client_cancelled", "worker_flushed"]


@dataclass(slots=True)
class _Playing:
    response: Response
    started: bool = False
    generated: bool = False
    drained: bool = False
    cut_reason: CutReason = "turn_detected"


class OutputAudioBuffer:
    """The responses whose audio is on its way to the caller's ear, oldest first. All but the newest are complete.

    Args:
        cut: called when the rest of a response was dropped, with the microseconds of it that were heard, and why.
    """

    def __init__(self, outbox: Outbox, cut: Callable[[Response, int, CutReason], None]) -> None:
        self._outbox = outbox
        self._cut = cut
        self._playing: dict[str, _Playing] = {}

    @property
    def is_playing(self) -> bool:
        """Whether anything is still to be heard."""
        return bool(self._playing)

    def queued(self, response: Response) -> None:
        """A frame of the response goes to playout."""
        playing = self._playing.get(response.id)
        if playing is None:
            playing = self._playing[response.id] = _Playing(response)
        playing.drained = False

    def generated(self, response: Response) -> None:
        """No more audio of the response will come."""
        playing = self._playing.get(response.id)
        if playing is not None:
            playing.generated = True
            self._stop_if_over(playing)

    def played(self, response_id: str, *, drained: bool) -> None:
        """Audio of the response has left. `drained`: nothing of it is queued any more."""
        for other in list(self._playing.values()):
            if other.response.id == response_id:
                break
            # Playout keeps the order, so those before have been heard whole.
            other.drained = True
            self._stop_if_over(other)
        playing = self._playing.get(response_id)
        if playing is None:
            return
        if not playing.started:
            playing.started = True
            self._outbox.event(server_events.output_started(response_id))
        playing.drained = drained
        self._stop_if_over(playing)

    def has(self, response_id: str) -> bool:
        """Whether audio of this response is still to be heard."""
        return response_id in self._playing

    def clear(self, reason: CutReason, response_id: str | None = None) -> None:
        """Drops what is queued of a response (None: of all). What was heard of it is reported by `flushed`."""
        for playing in self._playing.values():
            if response_id in (None, playing.response.id):
                playing.cut_reason = reason
                self._outbox.add(FlushPlayout(playing.response.id))

    def flushed(self, response_id: str, played_us: int) -> None:
        """The rest of the response was dropped; `played_us` of its audio has left before."""
        playing = self._playing.pop(response_id, None)
        if playing is not None:
            self._outbox.event(server_events.output_cleared(response_id))
            self._cut(playing.response, played_us, playing.cut_reason)

    def _stop_if_over(self, playing: _Playing) -> None:
        if playing.generated and playing.drained:
            del self._playing[playing.response.id]
            if playing.started:
                self._outbox.event(server_events.output_stopped(playing.response.id))
