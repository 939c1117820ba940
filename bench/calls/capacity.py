"""The most calls at once within bounds: steps upwards until a bound breaks, then halves between."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from bench.calls.plan import Plan
from bench.report.model import Capacity, Result, Row
from bench.report.quantities import Figure
from bench.report.slo import Bound, parse_bound

GROWTH: Final = 1.5
PRECISION: Final = 0.05
"""Of the number found: closer steps would measure chance."""
DEFAULT_BOUNDS: Final = tuple(
    parse_bound(text) for text in ("failed_share<=1%", "lost_share<=1%", "setup.p95<=2s", "round_trip.p99<=300ms")
)
LIMIT: Final = "limit"
GENERATOR: Final = "generator"
INTERRUPTED: Final = "interrupted"
_SHOWN: Final = ("setup.p95", "round_trip.p99", "longest_silence.p99", "mos.p50", "first_audio.p95", "mouth_to_ear.p95")


class Steps:
    """Which number of calls to try next. No I/O: `kept` is told how each went."""

    def __init__(self, first: int, most: int) -> None:
        self._next: int | None = min(first, most)
        self._most = most
        self._good = 0
        self._bad: int | None = None

    @property
    def next(self) -> int | None:
        """The next number; None once enough is known."""
        return self._next

    @property
    def good(self) -> int:
        """The most calls at which everything was kept so far."""
        return self._good

    @property
    def bad(self) -> int | None:
        """The fewest calls that were too much so far; None if none were."""
        return self._bad

    def kept(self, calls: int, everything: bool) -> None:
        """How the step with so many calls went."""
        if everything:
            self._good = max(self._good, calls)
        else:
            self._bad = calls if self._bad is None else min(self._bad, calls)
        self._next = self._choose()

    def _choose(self) -> int | None:
        if self._bad is None:
            higher = min(self._most, max(self._good + 1, round(self._good * GROWTH)))
            return higher if self._good < self._most else None
        between = (self._good + self._bad) // 2
        near = self._bad - self._good <= max(1, round(PRECISION * self._bad))
        return None if near or between <= self._good else between


Play = Callable[[Plan], Awaitable[Result]]


async def find(plan: Plan, most: int, bounds: Sequence[Bound], play: Play) -> Result:
    """The result of the greatest step that kept every bound, with all steps as rows and what was found.

    Where none did, that of the first. `bounds` must be those that `play` judges by. A step that the load or the machine
    could not carry is too much like one that broke a bound: what the target would have done is not known.
    """
    assert bounds
    steps = Steps(plan.calls, most)
    rows: list[Row] = []
    best: Result | None = None
    least: Result | None = None
    interrupted = False
    while (calls := steps.next) is not None:
        result = await play(replace(plan, calls=calls))
        rows.append(_row(calls, result))
        if best is None:
            best = result
        if result.run.interrupted:
            interrupted = True
            break
        kept = result.verdict.met
        steps.kept(calls, kept)
        if not kept and calls == steps.bad:
            least = result
        elif kept and calls == steps.good:
            best = result
    assert best is not None
    capacity = Capacity(
        calls=steps.good,
        stopped_by=INTERRUPTED if interrupted else _stopped_by(least),
        because=least.verdict.limited_because if least is not None else "",
        steps=tuple(row.name for row in rows),
    )
    verdict = best.verdict.model_copy(update={"capacity": capacity})
    return best.model_copy(update={"verdict": verdict, "rows": tuple(rows)})


def _stopped_by(least: Result | None) -> str:
    """What was wrong with the smallest step that was too much."""
    if least is None:
        return LIMIT
    if not least.verdict.valid:
        return least.verdict.limited_by or GENERATOR
    return next(slo.name for slo in least.verdict.slos if not slo.met)


def _rounded(cores: float | None) -> float | None:
    return None if cores is None else round(cores, 3)


def _row(calls: int, result: Result) -> Row:
    figures = [figure for figure in result.figures if figure.name in {"failed_share", "lost_share", "concealed_share"}]
    for name in _SHOWN:
        measure, _, quantile = name.partition(".")
        found = result.distribution(measure)
        if found is not None and found.count:
            figures.append(Figure(name=f"{measure}_{quantile}", unit=found.unit, value=getattr(found, quantile)))
    figures += [
        Figure(name=f"cpu_{process.name}", unit="share", value=process.cpu_share_of_core)
        for process in result.processes
        if process.cpu_share_of_core is not None
    ]
    if result.generator is not None:
        figures += [
            Figure(name="load_cores_used", unit="count", value=_rounded(result.generator.cores_used)),
            Figure(name="machine_cores_busy", unit="count", value=_rounded(result.generator.machine_cores_busy)),
        ]
    return Row(
        name=f"{calls} calls",
        labels={
            "calls": calls,
            "broken": ", ".join(slo.name for slo in result.verdict.slos if not slo.met),
            "limited_by": result.verdict.limited_by or "",
        },
        figures=tuple(figures),
        invalid="; ".join(result.verdict.invalid_because) or None,
    )
