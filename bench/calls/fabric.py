"""A fabric of this machine as `offhook up --ready-file` describes it: its processes, and what its relays count."""

import asyncio
import json
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from prometheus_client.parser import text_string_to_metric_families

from bench.report.quantities import Figure

RECEIVED: Final = "fabric_relay_client_datagrams_received_total"
DROPPED: Final = "fabric_relay_drops_total"
SCRAPE_WITHIN_S: Final = 2.0


class BadFabric(ValueError):
    """The file does not describe one that runs here."""


class Member(NamedTuple):
    """One process."""

    role: str
    name: str
    pid: int
    metrics: str | None


class Counted(Protocol):
    """A fabric whose relays can be asked."""

    async def relay_counters(self) -> "RelayCounters":
        """What its relays have counted so far, those that answer."""


class Fabric:
    """See the module.

    Raises:
        BadFabric: the file cannot be read, or is not what `offhook up` writes.
    """

    def __init__(self, ready_file: Path) -> None:
        self._ready_file = ready_file
        self.members()

    def members(self) -> list[Member]:
        """The processes as they are now: one that died has a successor with the same name.

        Raises:
            BadFabric: see the class.
        """
        try:
            listed: list[dict[str, Any]] = json.loads(self._ready_file.read_text(encoding="utf-8"))["processes"]
            return [Member(each["role"], each["id"], each["pid"], each.get("metrics")) for each in listed]
        except (OSError, ValueError, KeyError, TypeError):
            raise BadFabric(f"{self._ready_file} is not what `offhook up --ready-file` writes") from None

    async def relay_counters(self) -> "RelayCounters":
        """What its relays have counted so far, those that answer."""
        return await read_counters(
            [member.metrics for member in self.members() if member.role == "relay" and member.metrics]
        )


class RelayCounters(NamedTuple):
    """Counters of each relay, by the URL of its metrics: a process that took another's place has one of its own."""

    of: dict[str, Counter[str]]

    def since(self, earlier: "RelayCounters") -> tuple[Figure, ...]:
        """What has come since: datagrams from callers, and those that relays dropped, by reason."""
        grown: Counter[str] = Counter({"relays_received": 0})
        for url, counters in self.of.items():
            grown.update(counters - earlier.of.get(url, Counter()))
        return tuple(Figure(name=name, unit="packets", value=float(count)) for name, count in sorted(grown.items()))


async def read_counters(urls: Sequence[str]) -> RelayCounters:
    """Reads relays' metrics, those that answer."""
    loop = asyncio.get_running_loop()
    read = await asyncio.gather(*(loop.run_in_executor(None, _read, url) for url in urls))
    return RelayCounters({url: counters for url, counters in zip(urls, read, strict=True) if counters is not None})


def _read(url: str) -> Counter[str] | None:
    try:
        with urllib.request.urlopen(url, timeout=SCRAPE_WITHIN_S) as answer:  # noqa: S310 - of the operator's own fabric
            families = list(text_string_to_metric_families(answer.read().decode()))
    except (OSError, ValueError):
        return None
    counters: Counter[str] = Counter()
    for sample in (sample for family in families for sample in family.samples):
        if sample.name == RECEIVED:
            counters["relays_received"] += int(sample.value)
        elif sample.name == DROPPED:
            counters[f"relays_dropped_{sample.labels['reason']}"] += int(sample.value)
    return counters
