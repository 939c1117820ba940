"""What all streams of one worker process share: seats, load, counters."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.counters import WorkerCounters
from offhook_worker.model import Model
from offhook_worker.options import ServeOptions
from offhook_worker.worker import Load, VoiceWorker

_log = logging.getLogger(__name__)

MAX_DELAY_SAMPLES = 4096
"""Enough for the 95th percentile of a period; older samples give way."""


class House:
    """One worker and its capacity.

    Attributes:
        is_draining: no session is taken any more.
        tasks: the running sessions' tasks, on whatever stream.
    """

    def __init__(
        self,
        worker: VoiceWorker,
        options: ServeOptions,
        on_load_change: Callable[[], None],
    ) -> None:
        self.worker = worker
        self.options = options
        self.counters = WorkerCounters()
        self.models: dict[str, Model] = {model.name: model for model in worker.models}
        if not self.models:
            raise ValueError(f"{type(worker).__name__}.models is empty")
        self.is_draining = False
        self.tasks: set[asyncio.Task[None]] = set()
        self._on_load_change = on_load_change
        self._sessions = 0
        self._load = Load()
        self._queue_delay_ms_p95 = 0.0
        self._delays: deque[float] = deque(maxlen=MAX_DELAY_SAMPLES)

    def take_seat(self) -> bool:
        """Whether one more session fits; if so it counts from now on."""
        if self._sessions >= self._seats:
            return False
        self._sessions += 1
        self._on_load_change()
        return True

    def leave_seat(self) -> None:
        """A session that had a seat is over."""
        self._sessions -= 1
        self._on_load_change()

    @property
    def is_healthy(self) -> bool:
        """What the author says; an author's fault here is no health."""
        try:
            return self.worker.is_healthy()
        except Exception:  # noqa: BLE001 - whatever it is, it must not end anybody's call
            _log.exception("is_healthy() failed")
            return False

    def note_delay(self, waited_s: float) -> None:
        """An input waited this long before its session's code read it."""
        self._delays.append(waited_s)

    def load_report(self) -> worker_pb2.LoadReport:
        """The seats taken now, and the load as last sampled."""
        return worker_pb2.LoadReport(
            sessions=self._sessions,
            max_sessions=self._seats,
            queue_delay_ms_p95=max(self._queue_delay_ms_p95, self._load.queue_delay_ms),
            real_time_factor=self._load.real_time_factor,
            utilization=self._load.utilization,
        )

    @property
    def _seats(self) -> int:
        most = self.options.max_sessions
        return min(self._sessions, most) if self._load.is_full else most

    def sample(self) -> None:
        """Ends a period: what was read in it gives the queue delay, and the author is asked for the rest."""
        delays = sorted(self._delays)
        self._delays.clear()
        self._queue_delay_ms_p95 = delays[int(len(delays) * 0.95)] * 1000 if delays else 0.0
        try:
            self._load = self.worker.load()
        except Exception:  # noqa: BLE001 - an author's fault here must not end anybody's call
            _log.exception("load() failed")
            self._load = Load()
