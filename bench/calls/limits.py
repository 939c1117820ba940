"""Which side of a run could carry no more: the target, the load, or the machine that both share."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from bench.client import LOAD_BUSY, LOAD_LATE_US
from bench.report.model import Generator, Process

CORE_FULL: Final = 0.9
"""Of a core, or of all of a machine: more, and what is due waits."""
OFFERS_LATE_MS: Final = 250.0
"""An offer posted later at the 99th percentile has waited for the load client, not for the target."""
LOST_BY_US: Final = 0.001
"""Of the packets: more that our own sockets lost would be taken for the target's."""
PATH_LATE: Final = 0.01
"""Of the time: more, and the path that we put in between delays one packet in a hundred."""


class MachineUse(NamedTuple):
    """How many cores of the load's machine were busy in the measured stretch, and with what.

    Attributes:
        cores: that it has.
        busy: with anything; None where the kernel does not say.
        load: with all processes of the load.
        target: with each process under test that runs here.
    """

    cores: int
    busy: float | None
    load: float
    target: Mapping[str, float]

    @property
    def is_full(self) -> bool:
        """Nothing more fits."""
        return self.busy is not None and self.busy > CORE_FULL * self.cores

    @property
    def told(self) -> str:
        """Who used how much of it; nothing where that is not known."""
        if self.busy is None:
            return ""
        target = sum(self.target.values())
        others = max(0.0, self.busy - target - self.load)
        most = max(self.target, key=lambda name: self.target[name], default=None)
        parts = [f"{self.load:.2f} with the load"]
        if most is not None:
            parts.insert(0, f"{target:.2f} with the target (most with {most}, {self.target[most]:.2f})")
        parts.append(f"{others:.2f} with {'other things' if most is not None else 'the rest, which nobody named'}")
        return f"{self.busy:.2f} of this machine's {self.cores} cores were busy, {', '.join(parts)}"


class Shortcomings(NamedTuple):
    """What the load did worse than it was to.

    Attributes:
        offers_late_ms: at the 99th percentile, if offers were posted.
        sent: packets.
        own_drops: packets that our own sockets had no room for.
        path_late_share: of the time in which the path in between, if there was one, held packets up by itself.
        broken: parts of the load that have failed by themselves, a sentence each.
    """

    offers_late_ms: float | None
    sent: int
    own_drops: int
    path_late_share: float
    broken: Sequence[str] = ()


class Limit(NamedTuple):
    """The side that could carry no more, None if neither was at its limit or it is not known; and what tells."""

    side: Literal["target", "generator", "machine"] | None
    because: str


def why_invalid(generator: Generator, short: Shortcomings, use: MachineUse) -> list[str]:
    """Why the figures are not the target's; nothing if they are."""
    reasons = [f"a part of the load failed: {why}" for why in short.broken]
    full = f": {use.told}" if use.is_full else ""
    if (generator.cpu_share_of_core or 0) > LOAD_BUSY:
        share = f"{generator.cpu_share_of_core:.0%}"
        reasons.append(f"a process of the load used {share} of its core: use more --processes")
    if (generator.late_p99_ms or 0) > LOAD_LATE_US / 1000:
        reasons.append(f"packets left {generator.late_p99_ms:.0f} ms late at the 99th percentile{full}")
    if (short.offers_late_ms or 0) > OFFERS_LATE_MS:
        more = full or ": use more --processes"
        reasons.append(f"offers were posted {short.offers_late_ms:.0f} ms late at the 99th percentile{more}")
    ours = generator.unsent + short.own_drops
    if ours > LOST_BY_US * max(1, short.sent):
        reasons.append(f"the load's own sockets lost {ours:,} packets{full}")
    if short.path_late_share > PATH_LATE:
        share = f"{short.path_late_share:.1%}"
        reasons.append(f"the path in between was itself too slow {share} of the time: use fewer --calls")
    return reasons


def limit(generator: Generator, processes: Sequence[Process], use: MachineUse, invalid: Sequence[str]) -> Limit:
    """The side that could carry no more."""
    if (generator.cpu_share_of_core or 0) > LOAD_BUSY:
        return Limit("generator", f"a process of the load used {generator.cpu_share_of_core:.0%} of its core")
    if use.is_full:
        return Limit("machine", use.told)
    busiest = max(processes, key=lambda process: process.cpu_share_of_core or 0, default=None)
    if busiest is not None and (busiest.cpu_share_of_core or 0) > CORE_FULL:
        return Limit("target", f"{busiest.name} used {busiest.cpu_share_of_core:.0%} of a core")
    if invalid:
        return Limit("generator", invalid[0])
    # Where nothing of the target was named, it may be anywhere.
    return Limit(None, use.told if use.target else "")
