"""What the processes of the load client have said, put together: second by second, and in all."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bench.report.histograms import merged

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

COUNTS: Final = ("active", "sent", "echoed", "arrived", "missing", "setups", "failures", "lost", "gaps_unlisted")

GAP_FROM_MS: Final = 60
"""A shorter silence is none."""


class Gap(NamedTuple):
    """A call heard nothing for a while.

    Attributes:
        caller: process and number of the caller.
        began_ms: on the timeline.
        length_ms: how long.
    """

    caller: tuple[int, int]
    began_ms: int
    length_ms: int


@dataclass
class Second:
    """One second of the run, over all processes; `round_trip_us` holds their histograms."""

    counts: Counter[str] = field(default_factory=Counter)
    round_trip_us: list[str] = field(default_factory=list)
    said: int = 0
    """Processes that have told it."""


class Tally:
    """See the module.

    Attributes:
        seconds: by number.
        gaps: silences of 60 ms and more, in the order in which they were over.
    """

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self.seconds: dict[int, Second] = defaultdict(Second)
        self.gaps: list[Gap] = []
        self._shares: list[list[float]] = [[] for _ in range(processes)]
        self._ends: dict[int, Mapping[str, Any]] = {}

    def take(self, process: int, name: str, event: Mapping[str, Any]) -> Second | None:
        """Takes what a process said. Returns the second that is thereby complete, if one is."""
        if name == "end":
            self._ends[process] = event
        if name != "second":
            return None
        second = self.seconds[event["second"]]
        second.counts.update({count: event[count] for count in COUNTS})
        if event["round_trip_us"]:
            second.round_trip_us.append(event["round_trip_us"])
        if "cpu_share_of_core" in event:
            self._shares[process].append(event["cpu_share_of_core"])
        self.gaps += [Gap((process, slot), began, length) for slot, began, length in event["gaps"]]
        second.said += 1
        return second if second.said == self._processes else None

    @property
    def ended(self) -> bool:
        """Every process has said all."""
        return len(self._ends) == self._processes

    def count(self, part: str, name: str) -> int:
        """A count of the processes' last words, summed up."""
        return sum(int(end[part][name]) for end in self._ends.values())

    @property
    def measured_s(self) -> float:
        """How long packets counted."""
        return max((float(end["measured_s"]) for end in self._ends.values()), default=0.0)

    def failures(self) -> dict[str, tuple[int, str]]:
        """Failed calls by cause, with what the first was told."""
        found: dict[str, tuple[int, str]] = {}
        for end in self._ends.values():
            for cause, seen in end["failures"].items():
                count, first = found.get(cause, (0, seen["first"]))
                found[cause] = (count + seen["count"], first)
        return dict(sorted(found.items(), key=lambda item: -item[1][0]))

    @property
    def broken(self) -> list[str]:
        """What of the load's processes has failed by itself, a sentence each."""
        return [why for end in self._ends.values() for why in end.get("broken", ())]

    def histogram(self, name: str) -> "HdrHistogram":
        """A histogram of the run."""
        return merged([end["histograms"][name] for end in self._ends.values() if name in end["histograms"]])

    def busiest_process_share(self, first: int, last: int) -> float | None:
        """CPU that the busiest process used of its core, on average over these seconds."""
        shares = [of[first : last + 1] for of in self._shares]
        return max((sum(of) / len(of) for of in shares if of), default=None)

    def longest_silence_ms(self, from_ms: float, to_ms: float) -> Mapping[tuple[int, int], float]:
        """Of callers that heard nothing for a while between these times: for how long they did, at most.

        What had not become a gap at `to_ms` belongs to what happened then.
        """
        longest: dict[tuple[int, int], float] = {}
        for gap in _touching(self.gaps, from_ms, to_ms - GAP_FROM_MS):
            longest[gap.caller] = max(longest.get(gap.caller, 0.0), float(gap.length_ms))
        return longest

    def silent_calls(self, second: int, over_ms: float) -> int:
        """Calls with a silence of at least that length which touched that second."""
        touching = _touching(self.gaps, second * 1000, second * 1000 + 1000)
        return len({gap.caller for gap in touching if gap.length_ms >= over_ms})


def _touching(gaps: Sequence[Gap], from_ms: float, to_ms: float) -> Iterable[Gap]:
    return (gap for gap in gaps if gap.began_ms < to_ms and gap.began_ms + gap.length_ms > from_ms)
