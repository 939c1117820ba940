"""The caller's audio of the turn under way, for a worker that takes the call over in the middle of it. Sans-IO."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from transceiver.calls.waiting_input import InputFrame

LONGEST_US: Final = 20_000_000
"""Of a longer turn the next worker hears the end (drop_oldest)."""
RECENT_US: Final = 1_000_000
"""Kept between turns: a turn is found after its beginning."""
_TRIM_EVERY_US: Final = 1_000_000


class InputMemory:
    """One call's.

    Args:
        needed_from_us: media time from which on a next worker has to hear the caller; None: what is recent is enough.
    """

    def __init__(self, needed_from_us: Callable[[], int | None]) -> None:
        self._needed_from_us = needed_from_us
        self._frames: deque[InputFrame] = deque()
        self._kept_us = 0
        self._trim_at_us = _TRIM_EVERY_US

    def __iter__(self) -> Iterator[InputFrame]:
        return iter(self._frames)

    def keep(self, frame: InputFrame) -> None:
        """Remembers a frame, and forgets from time to time what is not needed any more."""
        self._frames.append(frame)
        self._kept_us += frame.duration_us
        if self._kept_us >= self._trim_at_us:
            self._trim(frame.media_time_us + frame.duration_us)

    def _trim(self, end_us: int) -> None:
        needed_from_us = self._needed_from_us()
        from_us = end_us - RECENT_US
        if needed_from_us is not None:
            from_us = max(min(from_us, needed_from_us), end_us - LONGEST_US)
        while self._frames and self._frames[0].media_time_us + self._frames[0].duration_us <= from_us:
            self._kept_us -= self._frames.popleft().duration_us
        self._trim_at_us = self._kept_us + _TRIM_EVERY_US
