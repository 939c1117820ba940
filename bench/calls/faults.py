"""Faults that are done during a run, and what callers felt of them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.calls.fabric import RelayCounters
from bench.calls.tally import Tally
from bench.report.histograms import distribution, recorded
from bench.report.model import Fault
from bench.report.quantities import Figure

TOUCHED_OVER_MS: Final = 100.0
UNHEARD_MS: Final = 20
"""A call without a gap has heard a packet every 20 ms."""


class FaultFailed(Exception):
    """It could not be done; the message says why."""


@dataclass
class TimedFault:
    """Something that is done to the fabric while calls play.

    Attributes:
        name: as it was asked for, such as `kill-relay@30s`.
        at_s: when, on the timeline: after the first call was due.
        act: does it. Returns a sentence that says what was done. Raises FaultFailed.
        until_s: when it is undone, on the timeline; None: it is not.
        undo: undoes it.
    """

    name: str
    at_s: float
    act: Callable[[], Awaitable[str]]
    until_s: float | None = None
    undo: Callable[[], Awaitable[None]] | None = None


@dataclass
class Done:
    """A fault that was done, or was to be.

    Attributes:
        fault: which.
        at_s: when, on the timeline.
        what: was done, as a sentence.
        error: why it was not.
        relays: what they had counted just before, if they can be asked.
        seen: what they counted from then to the end.
    """

    fault: TimedFault
    at_s: float
    what: str = ""
    error: str | None = None
    relays: RelayCounters | None = None
    seen: tuple[Figure, ...] = ()


def felt(done: Sequence[Done], tally: Tally, end_s: float) -> tuple[Fault, ...]:
    """What callers felt of each, until the next one or the end."""
    ordered = sorted(done, key=lambda each: each.at_s)
    starts = [*(each.at_s for each in ordered), end_s]
    return tuple(_felt(each, tally, until) for each, until in zip(ordered, starts[1:], strict=True))


def _felt(done: Done, tally: Tally, end_s: float) -> Fault:
    at_ms = done.at_s * 1000
    silence = tally.longest_silence_ms(at_ms, end_s * 1000)
    first = int(done.at_s)
    playing = max(tally.seconds[first].counts["active"], len(silence))
    lengths = [*(round(each) for each in silence.values()), *[UNHEARD_MS] * (playing - len(silence))]
    return Fault(
        name=done.fault.name,
        what=done.what,
        at_s=done.at_s,
        until_s=done.fault.until_s,
        error=done.error,
        calls_playing=playing,
        calls_lost=sum(second.counts["lost"] for number, second in tally.seconds.items() if first <= number < end_s),
        silence=distribution("silence", "ms", recorded(lengths), scale=1.0),
        calls_touched=sum(length > TOUCHED_OVER_MS for length in silence.values()),
        touched_over_ms=TOUCHED_OVER_MS,
        seen_by_target=done.seen,
    )
