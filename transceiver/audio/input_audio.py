"""The shell around a caller's stream: it has the clock, one timer, and a lane of the codec pool."""

import asyncio
from collections.abc import Callable

from transceiver.audio.codec_pool import CodecPool
from transceiver.audio.input_stream import DecodeResult, InputStream
from transceiver.audio.interface import PcmListener
from transceiver.session.actions import AudioReceived
from transceiver.session.playout_delay import PlayoutDelay


class PooledInputAudio:
    """Implements `InputAudio`.

    Args:
        now: monotonic clock in seconds, the session's.
    """

    def __init__(self, stream: InputStream, pool: CodecPool, now: Callable[[], float]) -> None:
        self._stream = stream
        self._pool = pool
        self._lane = pool.open_lane()
        self._now = now
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0
        self._closed = False

    @property
    def delay(self) -> PlayoutDelay:
        """See `InputAudio`."""
        return self._stream.delay

    @property
    def media_time_us(self) -> int:
        """See `InputAudio`."""
        return self._stream.media_time_us

    @property
    def concealed_us(self) -> int:
        """See `InputAudio`."""
        return self._stream.concealed_us

    def tap(self, sample_rate_hz: int, listener: PcmListener) -> None:
        """See `InputAudio`."""
        self._stream.tap(sample_rate_hz, listener)

    def untap(self, listener: PcmListener) -> None:
        """See `InputAudio`."""
        self._stream.untap(listener)

    def receive(self, frame: AudioReceived) -> None:
        """See `InputAudio`."""
        if not self._closed:
            self._stream.receive(frame, self._now())
            self._submit()

    def close(self) -> None:
        """See `InputAudio`."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._pool.leave(self._lane)

    def _submit(self) -> None:
        for job in self._stream.take_jobs():
            self._lane.decode(job, self._decoded)
        due = self._stream.next_timeout()
        # Each frame puts the deadline off: the timer that there is finds out when it fires.
        if due is not None and (self._timer is None or due < self._wakes_at):
            if self._timer is not None:
                self._timer.cancel()
            self._wakes_at = due
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self._now()), self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        self._stream.handle_timeout(self._now())
        self._submit()

    def _decoded(self, result: DecodeResult) -> None:
        if not self._closed:
            self._stream.decoded(result)
