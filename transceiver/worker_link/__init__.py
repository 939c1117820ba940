"""The transceiver's side of the worker link (proto/offhook/worker/v1): one stream per worker, many calls on each."""

from transceiver.worker_link.counters import LinkCounters, LinkDrop, LostReason
from transceiver.worker_link.errors import (
    NoCapacity,
    NoSuchModel,
    OpenError,
    WorkerRejected,
)
from transceiver.worker_link.listener import WorkerSessionListener
from transceiver.worker_link.pool import ModelInfo, WorkerPool
from transceiver.worker_link.session import WorkerSession
from transceiver.worker_link.settings import DropPolicy, WorkerLinkSettings

__all__ = [
    "DropPolicy",
    "LinkCounters",
    "LinkDrop",
    "LostReason",
    "ModelInfo",
    "NoCapacity",
    "NoSuchModel",
    "OpenError",
    "WorkerLinkSettings",
    "WorkerPool",
    "WorkerRejected",
    "WorkerSession",
    "WorkerSessionListener",
]
