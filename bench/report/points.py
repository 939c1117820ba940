"""Results of benchmarks that compare points of what they start themselves: rows of figures, with their rounds."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from bench.machine import machine
from bench.report.model import Machine, Result, Row, Run, Target, Verdict
from bench.report.quantities import Figure, Timeline, Unit
from offhook import __version__

DIGITS: Final = 6


class Column(NamedTuple):
    """A figure of every row: its name and unit in the result, and where a measured point has it."""

    name: str
    unit: Unit
    path: tuple[str, ...]


class Bench(NamedTuple):
    """What is to be said of the run beside its rows.

    Attributes:
        name: the command.
        began: when it began.
        settings: its options.
        method: how figures were taken, in a sentence.
        versions: of what measured and was measured; may be nested.
        details: what was measured beyond the rows.
    """

    name: str
    began: datetime
    settings: Mapping[str, Any]
    method: str = ""
    versions: Mapping[str, Any] = {}
    details: Mapping[str, Any] = {}


def points_result(
    bench: Bench, rows: Sequence[Row], *, figures: Sequence[Figure] = (), timeline: Timeline | None = None
) -> Result:
    """The result of a benchmark that ends now. It is valid if every row is."""
    invalid = [row for row in rows if row.invalid is not None]
    reasons = (f"{len(invalid)} of {len(rows)} points are of a load that was at its limit",) if invalid else ()
    return Result(
        run=Run(
            bench=bench.name,
            version=__version__,
            target=Target(kind="local"),
            options=dict(bench.settings),
            method=bench.method,
            machine=Machine(**machine()),
            versions=dict(_flat(bench.versions)),
            started_at=bench.began,
            duration_s=(datetime.now(UTC) - bench.began).total_seconds(),
        ),
        verdict=Verdict(valid=not reasons, invalid_because=reasons),
        figures=tuple(figures),
        timeline=timeline or Timeline(),
        rows=tuple(rows),
        details=dict(bench.details),
    )


def figures_of(points: Sequence[Mapping[str, Any]], columns: Iterable[Column]) -> tuple[Figure, ...]:
    """Each column's figure, over points that are rounds of one thing."""
    return tuple(figure(name, unit, [_at(point, path) for point in points]) for name, unit, path in columns)


def figure(name: str, unit: Unit, rounds: Sequence[float | None]) -> Figure:
    """The median of what was measured in each round; None where it could not be."""
    known = tuple(value for value in rounds if value is not None and math.isfinite(value))
    value = round(statistics.median(known), DIGITS) if known else None
    return Figure(name=name, unit=unit, value=value, rounds=known if len(known) > 1 else ())


def _at(point: Mapping[str, Any], path: Sequence[str]) -> float | None:
    value: Any = point
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, int | float) else None


def _flat(versions: Mapping[str, Any], of: str = "") -> Iterable[tuple[str, str]]:
    for name, version in versions.items():
        if isinstance(version, Mapping):
            yield from _flat(version, f"{name}: ")
        else:
            yield f"{of}{name}", str(version)
