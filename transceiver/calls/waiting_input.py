"""What a worker is to hear and has not taken yet, where there is time to wait for it: in order, nothing dropped."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from offhook_proto.worker.v1 import worker_pb2

from transceiver.worker_link.session import WorkerSession

RETRY_S: Final = 0.02
"""How often a worker without credit is looked at again."""


class InputFrame(NamedTuple):
    """Audio as a worker gets it: the arguments of `WorkerSession.send_audio`."""

    payload: bytes
    media_time_us: int
    duration_us: int
    level: int | None
    lost_before: int = 0


class WaitingInput:
    """One session's.

    Args:
        moved: called when some of it has been taken.
    """

    def __init__(self, moved: Callable[[], None]) -> None:
        self._moved = moved
        self._worker: WorkerSession | None = None
        self._waiting: deque[InputFrame | worker_pb2.SessionInput] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self.audio_us = 0
        """How much audio of it there is."""

    def __len__(self) -> int:
        return len(self._waiting)

    def serve(self, worker: WorkerSession | None) -> None:
        """From here on it is for this worker; what waited for the one before is forgotten."""
        self._worker = worker
        self._waiting.clear()
        self.audio_us = 0

    def put(self, message: InputFrame | worker_pb2.SessionInput) -> None:
        """Appends it; what the worker's credit allows leaves at once."""
        self._waiting.append(message)
        if isinstance(message, InputFrame):
            self.audio_us += message.duration_us
        self._flush(patiently=True)

    def overrun(self) -> None:
        """Waits no longer: the session's own bounded queue says what is dropped."""
        self._flush(patiently=False)

    def close(self) -> None:
        """The session is over."""
        self.serve(None)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _flush(self, *, patiently: bool) -> None:
        worker = self._worker
        while self._waiting and worker is not None and not (patiently and worker.input_waiting_us):
            first = self._waiting.popleft()
            if isinstance(first, InputFrame):
                self.audio_us -= first.duration_us
                worker.send_audio(
                    first.payload,
                    media_time_us=first.media_time_us,
                    duration_us=first.duration_us,
                    level=first.level,
                    lost_before=first.lost_before,
                )
            else:
                worker.send(first)
        if self._waiting and worker is not None and self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._try_again)
        self._moved()

    def _try_again(self) -> None:
        self._retry = None
        self._flush(patiently=True)
