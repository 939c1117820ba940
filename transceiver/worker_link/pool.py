"""All workers of this transceiver: which models they serve, and which of them gets a new call."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from offhook_proto.worker.v1 import worker_pb2

from transceiver.worker_link.counters import LinkCounters
from transceiver.worker_link.listener import WorkerSessionListener
from transceiver.worker_link.session import WorkerSession
from transceiver.worker_link.settings import WorkerLinkSettings


class ModelInfo(NamedTuple):
    """A model that connected workers serve, formats in the workers' order of preference."""

    name: str
    input_formats: tuple[worker_pb2.AudioFormat, ...]
    output_formats: tuple[worker_pb2.AudioFormat, ...]
    capabilities: frozenset[worker_pb2.Capability.ValueType]
    workers: int
    """Connected workers that serve it and are not draining."""
    free_sessions: int
    """Sessions they have room for, by their last reports."""


class WorkerPool:
    """Keeps one stream to every worker and opens sessions on them.

    Args:
        targets: as `offhook.service.discovery.watch_targets` takes them.
        transceiver_name: stable name of this process, told to the workers.
        rng: for placement and back-off jitter; tests pass a seeded one.
    """

    counters: LinkCounters

    def __init__(
        self,
        targets: Sequence[str],
        transceiver_name: str,
        settings: WorkerLinkSettings | None = None,
        *,
        rng: random.Random | None = None,
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Starts discovery and the links; returns without waiting for any worker."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Ends every stream; open sessions hear `worker_lost("stopped")`."""
        raise NotImplementedError

    def models(self) -> dict[str, ModelInfo]:
        """The models that can be asked for now, by name."""
        raise NotImplementedError

    @property
    def ready_workers(self) -> int:
        """Workers that are connected and not draining."""
        raise NotImplementedError

    async def wait_ready(self, workers: int = 1) -> None:
        """Returns once that many workers are ready; bound it with a timeout."""
        raise NotImplementedError

    async def open(
        self,
        *,
        model: str,
        call_id: str,
        input_format: worker_pb2.AudioFormat,
        config: worker_pb2.SessionConfig,
        listener: WorkerSessionListener,
        output_format: worker_pb2.AudioFormat | None = None,
        history: Sequence[worker_pb2.HistoryItem] = (),
    ) -> WorkerSession:
        """Puts a call on the less loaded of two workers drawn by chance, and asks the others if that one declines.

        Args:
            output_format: None chooses the input's format where the model offers it, else the model's first.
            history: the conversation so far, when a live session moves here.

        Raises:
            NoSuchModel: workers are connected and none serves `model`.
            NoCapacity: every worker that could is full, draining, silent or gone.
            WorkerRejected: a worker refused this very session, or no worker takes the format.
        """
        raise NotImplementedError
