"""How discovery fares in one process: what failed and whether what is known is old, in its logs and for Prometheus."""

import enum
from collections import Counter
from collections.abc import Iterator

import structlog
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from offhook.service.metric_families import counters_by, gauges_by

_log = structlog.get_logger(__name__)


class Failure(enum.StrEnum):
    """Why a place could not be followed."""

    UNREACHABLE = "unreachable"
    """No connection, a broken one, or no answer in time."""
    REFUSED = "refused"
    """The API server answers with an error: a missing right, too many requests, a fault of its own."""
    GONE = "gone"
    """The API server no longer knows where the watch stood (410). Ordinary, now and then."""
    MALFORMED = "malformed"
    """What came is not of the protocol."""
    UNRESOLVED = "unresolved"
    """The name does not resolve."""


class DiscoveryHealth(Collector):
    """What all watches of a process report to, place by place. A place is a target as the configuration writes it."""

    def __init__(self) -> None:
        self._failures: Counter[Failure] = Counter()
        self._stale: dict[str, bool] = {}

    def failed(self, place: str, failure: Failure, detail: str) -> None:
        """What the place last said holds; logged once until it answers again."""
        self._failures[failure] += 1
        if not self._stale.get(place, False):
            _log.warning("discovery fails; what was last known holds", place=place, why=failure.value, detail=detail)
        self._stale[place] = True

    def answered(self, place: str) -> None:
        """What is known of the place is what it says now."""
        if self._stale.get(place, False):
            _log.info("discovery answers again", place=place)
        self._stale[place] = False

    def failures(self, failure: Failure) -> int:
        """How often it failed so."""
        return self._failures[failure]

    def is_stale(self, place: str) -> bool:
        """Whether what is known of the place is what it said last, not what it says."""
        return self._stale.get(place, False)

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield gauges_by(
            "fabric_discovery_stale",
            "1 while a place cannot be asked and what it said last holds.",
            "place",
            self._stale,
        )
        yield counters_by(
            "fabric_discovery_failures",
            "Attempts to follow a place that failed, by reason.",
            "reason",
            {failure.value: self._failures[failure] for failure in Failure},
        )
