"""Frames that come together become one: an event for each would cost several times what its audio does."""

import asyncio
from collections.abc import Callable
from typing import Final

from offhook_proto.worker.v1 import worker_pb2

MAX_GATHERED_US: Final = 200_000
"""Of a model's audio in one event, where it comes faster than it is heard."""


class GatheredAudio:
    """Joins a model's frames of one answer that follow each other and have arrived at the same time.

    Nothing is held back for longer than this turn of the event loop, so nothing is later for it.

    Args:
        pass_on: takes what has been joined.
    """

    def __init__(self, pass_on: Callable[[worker_pb2.AudioFrame], None]) -> None:
        self._pass_on = pass_on
        self._first: worker_pb2.AudioFrame | None = None
        self._payloads: list[bytes] = []
        self._duration_us = 0
        self._due: asyncio.Handle | None = None

    def add(self, frame: worker_pb2.AudioFrame) -> None:
        """The next frame."""
        if self._first is not None and not self._continues(self._first, frame):
            self.flush()
        if self._first is None:
            self._first = frame
            self._due = asyncio.get_running_loop().call_soon(self.flush)
        self._payloads.append(frame.payload)
        self._duration_us += frame.duration_us

    def flush(self) -> None:
        """Passes on what there is: whatever comes next is to stand behind it."""
        first, self._first = self._first, None
        payloads, self._payloads = self._payloads, []
        duration_us, self._duration_us = self._duration_us, 0
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if first is not None:
            joined = worker_pb2.AudioFrame(
                payload=b"".join(payloads),
                media_time_us=first.media_time_us,
                duration_us=duration_us,
                response_id=first.response_id,
            )
            self._pass_on(joined)

    def close(self) -> None:
        """Forgets what there is."""
        self._first = None
        self._payloads.clear()
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _continues(self, first: worker_pb2.AudioFrame, frame: worker_pb2.AudioFrame) -> bool:
        return (
            frame.response_id == first.response_id
            and frame.media_time_us == first.media_time_us + self._duration_us
            and self._duration_us + frame.duration_us <= MAX_GATHERED_US
        )
