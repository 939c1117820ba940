"""What changed between two benchmarks, and whether it is more than noise.

Values of one run are not all independent: packets of one call that follow each other wait in the same queues. So
packets count as one independent value per call and second, and calls as one each. Of a run that was made once, nothing
says how much the machine differs from one run to the next: give several runs of each side, and they are compared as
wholes. The more is compared, the more runs that takes: with four there can be one figure, with seven 85.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Final, Literal, NamedTuple

from bench.report.histograms import decoded
from bench.report.measures import measure
from bench.report.model import Result, Run
from bench.report.noise import enough_for, enough_values, mann_whitney, permutation_p, quantile_interval, shares_p
from bench.report.quantities import Better, Distribution, Figure, Part, Quantile, Unit
from bench.report.slo import share
from bench.report.tables import SHARES

ALPHA: Final = 0.05
"""Chance that anything at all is called changed where nothing is; divided among all that is compared."""
PACKETS_PER_S: Final = 50
COMPARED: Final[tuple[tuple[Quantile, float], ...]] = (("p50", 0.5), ("p99", 0.99))

Outcome = Literal["better", "worse", "changed", "same", "unknown"]


class CannotCompare(Exception):
    """These results say nothing about each other; the message says why."""


class Change(Part):
    """One quantity on both sides."""

    name: str
    """Such as `setup.p99`."""
    title: str
    """The same for people."""
    unit: Unit
    """Unit of both values."""
    before: float
    """Median of the runs of the one side."""
    after: float
    """Median of the runs of the other."""
    outcome: Outcome
    """`same`: within noise or the threshold; `unknown`: too few values to tell; `changed`: neither good nor bad."""
    why: str
    """How that was found, in a few words."""

    @property
    def relative(self) -> float | None:
        """By which share it grew; None if it was 0."""
        return self.after / self.before - 1 if self.before else None


class Comparison(Part):
    """What `offhook bench compare --json` writes."""

    schema_version: Literal[1] = 1
    before: tuple[Run, ...]
    after: tuple[Run, ...]
    threshold: float
    """A change by a smaller share does not matter, however sure it is."""
    changes: tuple[Change, ...]
    """All that both sides have, worst first."""
    differences: tuple[str, ...] = ()
    """What else is not the same, and may be the reason: machine, options, versions."""

    @property
    def worse(self) -> list[Change]:
        """What got worse."""
        return [change for change in self.changes if change.outcome == "worse"]


class _Pair(NamedTuple):
    """A quantity of both sides before it is judged; `p` is None if noise cannot be told."""

    name: str
    title: str
    better: Better
    unit: Unit
    before: float
    after: float
    p: float | None
    why: str


def compare(before: Sequence[Result], after: Sequence[Result], *, threshold: float) -> Comparison:
    """Compares the runs of two sides.

    Raises:
        CannotCompare: they measure different things, or a run is not valid.
    """
    _require_alike([*before, *after])
    sides = _named_figures(before), _named_figures(after)
    several = len(before) > 1 or len(after) > 1
    if several:
        sides = {**sides[0], **_of_runs(before)}, {**sides[1], **_of_runs(after)}
    both = sides[0].keys() & sides[1].keys()
    count = sum(bool(_all_rounds(sides[0][name]) and _all_rounds(sides[1][name])) for name in both)
    if not several:
        count += len(COMPARED) * len(list(_distributions(before[0], after[0]))) + len(SHARES)
    alpha = ALPHA / max(count, 1)
    pairs = list(_figures(*sides, alpha))
    if not several:
        pairs += [*_of_distributions(before[0], after[0], alpha), *_of_shares(before[0], after[0])]
    order = {"worse": 0, "better": 1, "changed": 2, "unknown": 3, "same": 4}
    changes = sorted((_judged(pair, alpha, threshold) for pair in pairs), key=lambda change: order[change.outcome])
    if not changes:
        raise CannotCompare("they have no figure in common")
    return Comparison(
        before=tuple(result.run for result in before),
        after=tuple(result.run for result in after),
        threshold=threshold,
        changes=tuple(changes),
        differences=tuple(_differences(before[0].run, after[0].run)),
    )


def _require_alike(results: Sequence[Result]) -> None:
    first = results[0].run
    for each in results[1:]:
        if (each.run.bench, each.run.profile) != (first.bench, first.profile):
            raise CannotCompare(f"'{first.bench}' and '{each.run.bench}' measure different things")
    for each in results:
        if not each.verdict.valid:
            raise CannotCompare(
                f"a run of {each.run.started_at:%d %B, %H:%M} is not valid: {each.verdict.invalid_because[0]}"
            )


def _differences(one: Run, two: Run) -> Iterator[str]:
    if (one.machine.cpu, one.machine.cores) != (two.machine.cpu, two.machine.cores):
        machines = (f"{each.machine.cpu} with {each.machine.cores} cores" for each in (one, two))
        yield f"machine: {' before, '.join(machines)} after"
    for title, first, second in (("option", one.options, two.options), ("version of", one.versions, two.versions)):
        for name in sorted(first.keys() | second.keys()):
            if first.get(name) != second.get(name):
                yield f"{title} {name}: {first.get(name, 'none')} before, {second.get(name, 'none')} after"


def _judged(pair: _Pair, alpha: float, threshold: float) -> Change:
    outcome: Outcome
    relative = abs(pair.after / pair.before - 1) if pair.before else float(pair.after != pair.before)
    why = pair.why
    if relative < threshold:
        outcome, why = "same", f"less than {threshold:.0%}"
    elif pair.p is None:
        outcome = "unknown"
    elif pair.p > alpha:
        outcome = "same"
        why = f"noise: {pair.why}"
    elif pair.better == "neither":
        outcome = "changed"
    else:
        outcome = "better" if (pair.after < pair.before) == (pair.better == "lower") else "worse"
    return Change(
        name=pair.name,
        title=pair.title,
        unit=pair.unit,
        before=pair.before,
        after=pair.after,
        outcome=outcome,
        why=why,
    )


# One run of each side.


def _distributions(before: Result, after: Result) -> Iterator[tuple[str, Distribution, Distribution]]:
    """Distributions that both have, each with the fault it is of, or nothing."""
    later = {(label, each.name): each for label, each in _labelled(after)}
    for label, one in _labelled(before):
        two = later.get((label, one.name))
        if two is not None and one.count and two.count and one.histogram and two.histogram and one.unit == two.unit:
            yield label, one, two


def _labelled(result: Result) -> Iterator[tuple[str, Distribution]]:
    yield from (("", each) for each in result.distributions)
    yield from ((fault.name, fault.silence) for fault in result.faults if fault.silence is not None)


def _of_distributions(before: Result, after: Result, alpha: float) -> Iterator[_Pair]:
    for label, one, two in _distributions(before, after):
        assert one.histogram is not None
        assert two.histogram is not None
        histograms = decoded(one.histogram.base64), decoded(two.histogram.base64)
        independent = _independent(before, one.count), _independent(after, two.count)
        for quantile, at in COMPARED:
            values = one.at(quantile), two.at(quantile)
            if values[0] is None or values[1] is None or not enough_for(at, min(independent)):
                continue
            if quantile == "p50":
                tested = mann_whitney(*histograms, independent)
                p, why = tested.p, f"{tested.superiority:.0%} of the later values are greater"
            else:
                intervals = [
                    quantile_interval(histogram, at, independent=number, alpha=alpha)
                    for histogram, number in zip(histograms, independent, strict=True)
                ]
                apart = intervals[0].apart_from(intervals[1])
                p, why = (0.0 if apart else 1.0), "intervals apart" if apart else "intervals overlap"
            pair = _pair(one.name, one.unit, (values[0], values[1]), p, why, quantile=quantile)
            yield pair._replace(name=f"{label}: {pair.name}", title=f"{label}: {pair.title}") if label else pair


def _independent(result: Result, count: int) -> float:
    """How many of so many values are independent: see the module."""
    packets = result.packets
    return min(float(count), max(packets.sent / PACKETS_PER_S, 1.0)) if packets is not None else float(count)


def _of_shares(before: Result, after: Result) -> Iterator[_Pair]:
    for name in SHARES:
        one, two = share(before, name), share(after, name)
        if one is None or two is None:
            continue
        numbers = [_trials(result, name) for result in (before, after)]
        p = shares_p((one * numbers[0], numbers[0]), (two * numbers[1], numbers[1]))
        yield _pair(name, "share", (one, two), p, _chance(p))


def _trials(result: Result, name: str) -> float:
    if name == "failed_share":
        return float(result.calls.begun) if result.calls is not None else 1.0
    return max(result.packets.sent / PACKETS_PER_S, 1.0) if result.packets is not None else 1.0


# Several runs of each side, and figures, which have rounds or nothing.


def _of_runs(results: Sequence[Result]) -> Mapping[str, list[Figure]]:
    """Of each quantile and share, its value in each run."""
    found: dict[str, list[Figure]] = {}
    for result in results:
        for label, each in _labelled(result):
            for quantile, _ in COMPARED:
                name = f"{label}: {each.name}.{quantile}" if label else f"{each.name}.{quantile}"
                found.setdefault(name, []).append(Figure(name=name, unit=each.unit, value=each.at(quantile)))
        for name in SHARES:
            found.setdefault(name, []).append(Figure(name=name, unit="share", value=share(result, name)))
    return found


def _figures(before: Mapping[str, list[Figure]], after: Mapping[str, list[Figure]], alpha: float) -> Iterator[_Pair]:
    for name, first in before.items():
        one, two = _all_rounds(first), _all_rounds(after.get(name, []))
        if not one or not two:
            continue
        label, _, kind = name.rpartition(": ")
        measured, _, quantile = kind.partition(".")
        p = permutation_p(one, two, alpha=alpha)
        counts = f"{len(one)} and {len(two)} values"
        why = f"{counts}: {enough_values(alpha)} of each side would do" if p is None else f"{counts}, {_chance(p)}"
        pair = _pair(measured, first[0].unit, (median(one), median(two)), p, why, quantile=quantile)
        yield pair._replace(name=name, title=f"{label}: {pair.title}" if label else pair.title)


def _named_figures(results: Sequence[Result]) -> Mapping[str, list[Figure]]:
    found: dict[str, list[Figure]] = {}
    for result in results:
        for process in result.processes:
            costs: tuple[tuple[str, Unit, float | None], ...] = (
                ("cpu", "ms/call-second", process.cpu_ms_per_call_second),
                ("memory_at_end", "KiB", process.rss_kb_end),
            )
            for kind, unit, value in costs:
                found.setdefault(f"{process.name}: {kind}", []).append(Figure(name=kind, unit=unit, value=value))
        for row in result.rows:
            for figure in row.figures if row.invalid is None else ():
                found.setdefault(f"{row.name}: {figure.name}", []).append(figure)
        for figure in result.figures:
            if figure.name not in SHARES:
                found.setdefault(figure.name, []).append(figure)
    return found


def _all_rounds(figures: Sequence[Figure]) -> list[float]:
    return [
        value for figure in figures for value in (figure.rounds or (() if figure.value is None else (figure.value,)))
    ]


def _chance(p: float) -> str:
    return "chance below 0.1 %" if p < 0.001 else f"chance {p:.1%}"


def _pair(
    name: str, unit: Unit, values: tuple[float, float], p: float | None, why: str, *, quantile: str = ""
) -> _Pair:
    known = measure(name)
    whole, title = (f"{name}.{quantile}", f"{known.title}, {quantile}") if quantile else (name, known.title)
    return _Pair(whole, title, known.better, unit, *values, p, why)
