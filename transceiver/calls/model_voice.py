"""The model's audio on its way to the caller: queued, sent at the wire clock, accounted for."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from offhook_proto.worker.v1 import worker_pb2

from transceiver.audio.interface import Playout
from transceiver.calls.model_side import ClientSide

REPORT_EVERY_MS = 200
"""Credit and position are told in steps of this much audio, not per frame."""


class VoiceListener(Protocol):
    """Who hears what was played. Called on the event loop."""

    def voice_played(self, response_id: str, *, drained: bool) -> None:
        """The first audio of a response has left, or (`drained`) all that was queued of it."""

    def voice_position(self, response_id: str, played_us: int, buffered_ms: int) -> None:
        """How far a response has been played."""

    def voice_credit(self, audio_ms: int) -> None:
        """So much has been played or dropped, and may be sent anew."""

    def voice_over(self) -> None:
        """After `finish`: everything has been played."""


class ModelVoice:
    """One call's output audio.

    Args:
        client: hears it.
        open_playout: makes what keeps the wire clock; it calls what it is given when frames have become ready.
        now: monotonic clock in seconds.
    """

    def __init__(
        self,
        client: ClientSide,
        open_playout: Callable[[Callable[[], None]], Playout],
        listener: VoiceListener,
        *,
        now: Callable[[], float],
    ) -> None:
        self._client = client
        self._playout = open_playout(self.ready)
        self._listener = listener
        self._now = now
        self._connected = False
        self._finishing = False
        self._closed = False
        self._next_frame: asyncio.TimerHandle | None = None
        self._next_at = 0.0
        self._last_report: asyncio.TimerHandle | None = None
        self._started = ""
        self._told_drained = True
        self._discarded_us = 0

    @property
    def buffered_ms(self) -> int:
        """Audio that waits to be played."""
        return self._playout.buffered_ms

    def connected(self) -> None:
        """Plays what the model has said so far: a greeting is mostly there before the client is."""
        self._connected = True
        self._play()

    def push(self, frame: worker_pb2.AudioFrame, response_id: str) -> None:
        """Queues one frame for its time."""
        accepted = self._playout.push(
            frame.payload,
            media_time_us=frame.media_time_us,
            duration_us=frame.duration_us,
            response_id=response_id,
        )
        if not accepted:
            # Beyond its credit. What is not played costs the worker nothing.
            self._listener.voice_credit(frame.duration_us // 1000)
            return
        self._told_drained = False
        self.ready()

    def ready(self) -> None:
        """Frames can be played that could not before."""
        if not self._connected or self._closed:
            return
        due = self._playout.next_due(self._now())
        if due is not None and (self._next_frame is None or due < self._next_at):
            self._play()

    def flush(self, response_id: str | None) -> int:
        """Drops what is queued (None: of everything) at once; how much of the response had been played, in µs."""
        played_us = self._playout.played_us(response_id) if response_id else 0
        self._listener.voice_credit(self._playout.flush(response_id))
        return played_us

    def give_back(self, duration_us: int) -> None:
        """Audio that is not to be played at all."""
        self._discarded_us += duration_us
        whole_ms, self._discarded_us = divmod(self._discarded_us, 1000)
        self._listener.voice_credit(whole_ms)

    def finish(self) -> None:
        """Nothing more comes: `voice_over` is told once all has been played."""
        self._finishing = True
        if self._playout.buffered_ms == 0:
            self._listener.voice_over()

    def close(self) -> None:
        """Plays nothing more."""
        self._closed = True
        for timer in (self._next_frame, self._last_report):
            if timer is not None:
                timer.cancel()
        self._next_frame = self._last_report = None
        self._playout.close()

    def _play(self) -> None:
        if self._next_frame is not None:
            self._next_frame.cancel()
            self._next_frame = None
        now, loop = self._now(), asyncio.get_running_loop()
        released = self._playout.release(now)
        for frame in released:
            self._client.send_audio(frame.payload, frame.rtp_timestamp, frame.marker)
        if self._closed:
            # The client was found gone in sending.
            return
        if released:
            self._tell_played()
        self._report(at_least_ms=REPORT_EVERY_MS)
        due = self._playout.next_due(now)
        if due is not None:
            self._next_at = due
            self._next_frame = loop.call_later(due - now, self._play)
        elif self._finishing and self._playout.buffered_ms == 0:
            self._listener.voice_over()
        elif self._last_report is None:
            # The end of a response is less than a step.
            self._last_report = loop.call_later(REPORT_EVERY_MS / 1000, self._report_rest)

    def _tell_played(self) -> None:
        response_id, drained = self._playout.playing, self._playout.buffered_ms == 0
        if response_id != self._started or (drained and not self._told_drained):
            self._started, self._told_drained = response_id, drained
            if response_id:
                self._listener.voice_played(response_id, drained=drained)

    def _report_rest(self) -> None:
        self._last_report = None
        self._report(at_least_ms=1)

    def _report(self, *, at_least_ms: int) -> None:
        played_ms = self._playout.take_played_ms(at_least=at_least_ms)
        if played_ms == 0:
            return
        self._listener.voice_credit(played_ms)
        response_id = self._playout.playing
        if response_id:
            self._listener.voice_position(response_id, self._playout.played_us(response_id), self._playout.buffered_ms)
