"""One session's inputs that wait for the worker's credit. Sans-IO.

Order is kept: what was said before a turn's end reaches the worker before the turn's end, or is dropped before it.
"""

from collections import deque

from offhook_proto.worker.v1 import worker_pb2

from transceiver.worker_link.settings import DropPolicy

MAX_CONTROLS = 256
"""Inputs other than audio that may wait behind audio. A sane caller never has more than a handful."""


class ControlOverflow(Exception):
    """More inputs other than audio than may wait: these cannot be dropped, so the session cannot go on."""


class InputQueue:
    """A bounded queue that releases audio against credit.

    A frame may leave while credit is above zero, so the last one may overdraw it: a frame longer than the whole
    credit window would otherwise wait for ever.

    Args:
        max_audio_us: audio that may wait, by its duration.
    """

    def __init__(self, max_audio_us: int, policy: DropPolicy) -> None:
        self._max_audio_us = max_audio_us
        self._policy = policy
        self._waiting: deque[worker_pb2.SessionInput] = deque()
        self._audio_us = 0
        self._controls = 0
        self._credit_us = 0
        # Dropped frames to report as `lost_before`: of the next frame to leave, and of the next one to come in.
        self._lost_at_head = 0
        self._lost_at_tail = 0

    @property
    def audio_us(self) -> int:
        """Audio that waits."""
        return self._audio_us

    def grant(self, audio_us: int) -> None:
        """The worker takes `audio_us` more."""
        self._credit_us += audio_us

    def pass_audio(self, audio_us: int) -> bool:
        """Takes credit for a frame that may leave at once, past the queue; False if it has to be put."""
        if self._waiting or self._credit_us <= 0 or self._lost_at_head or self._lost_at_tail:
            return False
        self._credit_us -= audio_us
        return True

    def put(self, message: worker_pb2.SessionInput) -> int:
        """Appends an input; returns how many audio frames gave way to it (or, by policy, it to them).

        Raises:
            ControlOverflow: `message` is not audio and too many such inputs wait.
        """
        if message.HasField("audio"):
            return self._put_audio(message)
        if self._controls >= MAX_CONTROLS:
            raise ControlOverflow
        self._controls += 1
        self._waiting.append(message)
        return 0

    def take(self) -> list[worker_pb2.SessionInput]:
        """Removes and returns, in order, what may leave now."""
        ready = []
        while self._waiting:
            message = self._waiting[0]
            if message.HasField("audio"):
                if self._credit_us <= 0:
                    break
                self._release_audio(message)
            else:
                self._controls -= 1
            ready.append(self._waiting.popleft())
        return ready

    def _put_audio(self, message: worker_pb2.SessionInput) -> int:
        message.audio.lost_before += self._lost_at_tail
        self._lost_at_tail = 0
        dropped = 0
        if self._audio_us + message.audio.duration_us > self._max_audio_us and self._credit_us <= 0:
            if self._policy is DropPolicy.DROP_NEWEST:
                self._lost_at_tail = message.audio.lost_before + 1
                return 1
            dropped = self._make_room(message.audio.duration_us)
        self._waiting.append(message)
        self._audio_us += message.audio.duration_us
        return dropped

    def _make_room(self, duration_us: int) -> int:
        dropped = 0
        kept: list[worker_pb2.SessionInput] = []
        while self._waiting and self._audio_us + duration_us > self._max_audio_us:
            oldest = self._waiting.popleft()
            if oldest.HasField("audio"):
                self._audio_us -= oldest.audio.duration_us
                self._lost_at_head += oldest.audio.lost_before + 1
                dropped += 1
            else:
                kept.append(oldest)
        self._waiting.extendleft(reversed(kept))
        return dropped

    def _release_audio(self, message: worker_pb2.SessionInput) -> None:
        self._credit_us -= message.audio.duration_us
        self._audio_us -= message.audio.duration_us
        message.audio.lost_before += self._lost_at_head
        self._lost_at_head = 0
