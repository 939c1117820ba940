"""One session's inputs that wait for its author's code. Sans-IO.

Audio is bounded by the window that the transceiver may fill; what the author reads is granted again as credit, in
steps, so that credit costs one output for many frames.
"""

from collections import deque
from typing import NamedTuple

from offhook_worker.audio import Audio
from offhook_worker.events import Event
from offhook_worker.options import DropPolicy

MAX_EVENTS = 1024
"""Events other than audio that may wait. A caller never has so many; code that reads none of them is stuck."""

_GRANT_FRACTION = 8
"""Credit goes back in steps of this fraction of the window."""


class InboxOverflow(Exception):
    """Events that cannot be dropped piled up: the session's code does not read."""


class _Waiting(NamedTuple):
    event: Event
    arrived_at: float


class Inbox:
    """A bounded queue of events.

    Args:
        window_us: audio that the transceiver may send before it gets credit.
    """

    def __init__(self, window_us: int, policy: DropPolicy) -> None:
        self._window_us = window_us
        self._policy = policy
        self._waiting: deque[_Waiting] = deque()
        self._audio_us = 0
        self._events = 0
        self._read_us = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: Event, now: float) -> int:
        """Appends an event; returns how many audio frames were dropped (a transceiver that heeds credit causes none).

        Raises:
            InboxOverflow: `event` is not audio and too many such events wait.
        """
        if not isinstance(event, Audio):
            if self._events >= MAX_EVENTS:
                raise InboxOverflow
            self._events += 1
            self._waiting.append(_Waiting(event, now))
            return 0
        dropped = 0
        # The frame that exhausts a sender's credit may overdraw it, so the window counts before the frame.
        if self._audio_us >= self._window_us:
            if self._policy is DropPolicy.DROP_NEWEST:
                self._read_us += event.duration_us
                return 1
            dropped = self._drop_oldest()
        self._audio_us += event.duration_us
        self._waiting.append(_Waiting(event, now))
        return dropped

    def take(self, now: float) -> tuple[Event, float]:
        """Removes the oldest event; with it, how long it waited, in seconds. IndexError when empty."""
        event, arrived_at = self._waiting.popleft()
        if isinstance(event, Audio):
            self._audio_us -= event.duration_us
            self._read_us += event.duration_us
        else:
            self._events -= 1
        return event, now - arrived_at

    def take_grant_ms(self) -> int:
        """Credit to give back now, in whole milliseconds; 0 while it is too little to be worth an output."""
        if self._read_us * _GRANT_FRACTION < self._window_us:
            return 0
        grant_ms, self._read_us = divmod(self._read_us, 1000)
        return grant_ms

    def clear(self) -> None:
        """Forgets everything that waits."""
        self._waiting.clear()
        self._audio_us = self._events = 0

    def _drop_oldest(self) -> int:
        for index, waiting in enumerate(self._waiting):
            if isinstance(waiting.event, Audio):
                del self._waiting[index]
                self._audio_us -= waiting.event.duration_us
                self._read_us += waiting.event.duration_us
                return 1
        return 0
