"""The model's audio on its way to the caller: queued, scheduled on the wire clock, accounted for.

Frames are handed to the media port ahead of their time and leave by themselves. A timer of the loop tops them up, and
fires when there is something to tell: a response has begun to be heard, or all has been.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from offhook_proto.worker.v1 import worker_pb2

from transceiver.audio.interface import Playout
from transceiver.playout.pacer import PacedFrame, PlayedFrame

REPORT_EVERY_MS = 200
"""Credit and position are told in steps of this much audio, not per frame."""
CONFIRM_EVERY_S = 1.0
CONFIRM_TIMES = 6
"""How long after a response the caller's report of having received it is waited for: browsers report every 5 s."""
LEAVING_S = 0.003
"""After a frame was due it has left: ports send those of many calls together."""


class Stream(Protocol):
    """The caller's end of the audio; see `ClientSide`."""

    def send_audio(self, payload: bytes, rtp_timestamp: int, marker: bool) -> None:
        """Sends one codec frame now. None may be waiting."""

    def schedule_audio(
        self, payload: bytes, rtp_timestamp: int, marker: bool, due: float, level_dbov: int | None
    ) -> None:
        """Sends one codec frame at `due`, behind those that wait."""

    @property
    def audio_waiting(self) -> int:
        """How many scheduled frames have not left."""

    @property
    def audio_unconfirmed(self) -> int | None:
        """How many frames have left since the newest that the caller reports to have received; None: no report."""

    def take_back_audio(self) -> int:
        """Those will not leave."""


class VoiceListener(Protocol):
    """Who hears what was played. Called on the event loop."""

    def voice_played(self, response_id: str, *, drained: bool) -> None:
        """The first audio of a response has left, or (`drained`) all that was queued of it."""

    def voice_position(self, response_id: str, played_us: int, received_us: int, buffered_ms: int) -> None:
        """How far a response has been played, and how far the caller reports to have received it."""

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
        client: Stream,
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
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._last_report: asyncio.TimerHandle | None = None
        self._more_has_come = False
        self._latest = ""
        self._told_at = 0.0
        self._told_position = ("", 0, 0)
        self._confirmations_left = 0
        self._told_drained = True
        self._discarded_us = 0

    @property
    def buffered_ms(self) -> int:
        """Audio of which it has not been told that it was played."""
        return self._playout.buffered_ms

    def connected(self) -> None:
        """Plays what the model has said so far: a greeting is mostly there before the client is."""
        self._connected = True
        self._play(self._now())

    def push(self, frame: worker_pb2.AudioFrame, response_id: str) -> None:
        """Queues one frame for its time."""
        now = self._now()
        duration_us = frame.duration_us
        if not response_id and self._playout.is_due(now - LEAVING_S):
            # Nothing is on its way then, and this frame need not be scheduled.
            self._settle(now)
        paced = self._connected and self._playout.pass_on(
            frame.payload,
            media_time_us=frame.media_time_us,
            duration_us=duration_us,
            response_id=response_id,
            now=now,
        )
        if paced:
            self._latest, self._told_drained = response_id, False
            if isinstance(paced, PlayedFrame):
                self._more_has_come = True
                self._client.send_audio(*paced)
            else:
                self._hand_over(paced)
            # Of audio that belongs to no response nothing is told but steps.
            if response_id or self._playout.playing or self._last_report is None or self._is_step(now):
                self._look_after(now)
            return
        accepted = self._playout.push(
            frame.payload, media_time_us=frame.media_time_us, duration_us=duration_us, now=now, response_id=response_id
        )
        if not accepted:
            # Beyond its credit. What is not played costs the worker nothing.
            self._listener.voice_credit(duration_us // 1000)
            return
        self._latest, self._told_drained = response_id, False
        self.ready()

    def ready(self) -> None:
        """Frames can be played that could not before."""
        if not self._connected:
            return
        now = self._now()
        when = self._playout.next_commit(now)
        if when is None:
            return
        if when > now:
            self._wake_at(when, now)
            return
        if self._schedule(now):
            self._look_after(now)
        else:
            self._tell(now)
            self._plan(now)

    def _look_after(self, now: float) -> None:
        """After frames have been handed over: those of a step are asked after at once."""
        if self._latest != self._playout.playing or self._is_step(now):
            self._tell(now)
        self._plan(now)

    def _is_step(self, now: float) -> bool:
        return now - self._told_at >= REPORT_EVERY_MS / 1000

    def flush(self, response_id: str | None) -> int:
        """Drops what has not left (None: of everything) at once; how much of the response had been played, in µs."""
        if self._connected:
            self._settle(self._now(), self._client.take_back_audio())
        played_us = self._playout.played_us(response_id) if response_id else 0
        dropped_ms = self._playout.flush(response_id)
        if self._playout.buffered_ms == 0:
            self._told_drained = True
        if dropped_ms:
            self._playout.fall_silent(self._now())
        self._listener.voice_credit(dropped_ms)
        # What is spared has been taken back as well.
        self.ready()
        return played_us

    def give_back(self, duration_us: int) -> None:
        """Audio that is not to be played at all."""
        self._discarded_us += duration_us
        whole_ms, self._discarded_us = divmod(self._discarded_us, 1000)
        self._listener.voice_credit(whole_ms)

    def finish(self) -> None:
        """Nothing more comes: `voice_over` is told once all has been played."""
        self._finishing = True
        if self._connected:
            self._settle(self._now())
        if self._playout.buffered_ms == 0:
            self._listener.voice_over()
        elif self._connected:
            self._plan(self._now())

    def close(self) -> None:
        """Plays nothing more."""
        self._closed = True
        for timer in (self._timer, self._last_report):
            if timer is not None:
                timer.cancel()
        self._timer = self._last_report = None
        if self._connected:
            self._client.take_back_audio()
        self._connected = False
        self._playout.close()

    def _fire(self) -> None:
        self._timer = None
        self._play(self._now())

    def _play(self, now: float) -> None:
        self._schedule(now)
        self._tell(now)
        self._plan(now)

    def _schedule(self, now: float) -> bool:
        """Hands over what can be; False if that is nothing."""
        frames = self._playout.commit(now)
        for frame in frames:
            self._hand_over(frame)
        return bool(frames)

    def _hand_over(self, frame: PacedFrame) -> None:
        self._more_has_come = True
        self._client.schedule_audio(*frame)

    def _tell(self, now: float) -> None:
        # The client may have been found gone in sending.
        if not self._closed:
            self._told_at = now
            self._settle(now)
            self._report(at_least_ms=REPORT_EVERY_MS)

    def _settle(self, now: float, waiting: int | None = None) -> None:
        """Tells what has been played, now that so many frames wait (None: as the client says)."""
        waiting = self._client.audio_waiting if waiting is None else waiting
        for response_id in self._playout.settle(waiting, now):
            self._tell_played(response_id, drained=False)
        if not self._told_drained and self._playout.buffered_ms == 0:
            self._tell_played(self._playout.playing, drained=True)

    def _tell_played(self, response_id: str, *, drained: bool) -> None:
        self._told_drained = drained
        if response_id:
            self._listener.voice_played(response_id, drained=drained)

    def _plan(self, now: float) -> None:
        """Sets the timer to when there is next something to do."""
        if self._closed:
            return
        commit = self._playout.next_commit(now)
        change = self._playout.next_change() if self._finishing or self._latest or self._playout.playing else None
        times = [when for when in (commit, change and change + LEAVING_S) if when is not None]
        if times:
            self._wake_at(min(times), now)
        elif self._finishing and self._playout.buffered_ms == 0:
            self._listener.voice_over()
        if commit is None and self._last_report is None:
            # The end of a response is less than a step.
            self._more_has_come = False
            self._last_report = asyncio.get_running_loop().call_later(REPORT_EVERY_MS / 1000, self._report_rest)

    def _wake_at(self, when: float, now: float) -> None:
        # A timer that fires early does no harm, and costs less than to move it with each frame.
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = asyncio.get_running_loop().call_later(max(LEAVING_S, when - now), self._fire)

    def _report_rest(self) -> None:
        self._last_report = None
        if self._more_has_come:
            # It was not the end.
            now = self._now()
            self._tell(now)
            self._plan(now)
            return
        self._settle(self._now())
        self._report(at_least_ms=1)
        if self._closed:
            return
        if self._playout.buffered_ms > 0:
            self._plan(self._now())
        elif self._confirmations_left > 0 and self._tell_position():
            self._confirmations_left -= 1
            self._last_report = asyncio.get_running_loop().call_later(CONFIRM_EVERY_S, self._report_rest)

    def _report(self, *, at_least_ms: int) -> None:
        played_ms = self._playout.take_played_ms(at_least=at_least_ms)
        if played_ms == 0:
            return
        self._confirmations_left = CONFIRM_TIMES
        self._listener.voice_credit(played_ms)
        self._tell_position()

    def _tell_position(self) -> bool:
        """Tells how far the response has got, unless that is known. True if not all of it has been received."""
        response_id = self._playout.playing
        if not response_id:
            return False
        played_us = self._playout.played_us(response_id)
        received_us = self._playout.received_us(response_id, self._client.audio_unconfirmed)
        if self._told_position != (response_id, played_us, received_us):
            self._told_position = (response_id, played_us, received_us)
            self._listener.voice_position(response_id, played_us, received_us, self._playout.buffered_ms)
        return received_us < played_us
