"""Service level objectives, as they are written on the command line, and whether a run kept them.

```
 setup.p99<=1s      a distribution: its quantile, and a bound in ms or s
 mos.p50>=4         one that is no time
 lost<=1%           a share: lost, failed, concealed, reordered, duplicates
```
"""

import re
from typing import Final, Literal, NamedTuple

from bench.report.model import Result, Slo
from bench.report.quantities import Quantile, Unit

QUANTILES: Final[dict[str, Quantile]] = {
    name: name
    for name in ("p50", "p90", "p95", "p99", "p999", "max", "mean")  # type: ignore[misc]  # the literal's own names
}
TIMES: Final = (
    "setup",
    "setup_answer",
    "setup_ice",
    "setup_dtls",
    "setup_first_media",
    "round_trip",
    "longest_silence",
    "jitter",
)
SHARES: Final = {
    "lost": "lost_share",
    "failed": "failed_share",
    "concealed": "concealed_share",
    "reordered": "reordered_share",
    "duplicates": "duplicate_share",
}
_FORM: Final = re.compile(r"([a-z_]+)(?:\.(p50|p90|p95|p99|p999|max|mean))?(<=|>=|<|>)([0-9.]+)(ms|s|%)?")
DEFAULTS: Final = ("failed<=1%", "lost<=1%", "setup.p95<=2s", "round_trip.p99<=300ms")
"""Of `--find-capacity`, where none are given."""


class BadSlo(ValueError):
    """It cannot be read; the message says how it is written."""


class Objective(NamedTuple):
    """A bound, read."""

    name: str
    measure: str
    quantile: Quantile | None
    unit: Unit
    bound: Literal["most", "least"]
    limit: float


def objective(text: str) -> Objective:
    """Reads one.

    Raises:
        BadSlo: it is none.
    """
    read = _FORM.fullmatch(text.replace(" ", ""))
    if read is None:
        raise BadSlo(f"--slo '{text}': write it as setup.p99<=1s, round_trip.p95<=200ms, mos.p50>=4 or lost<=1%")
    measure, quantile, sign, number, unit = read.groups()
    bound: Literal["most", "least"] = "most" if sign.startswith("<") else "least"
    try:
        limit = float(number)
    except ValueError:
        raise BadSlo(f"--slo '{text}': {number} is no number") from None
    if measure in SHARES and quantile is None and unit == "%":
        return Objective(text, SHARES[measure], None, "share", bound, limit / 100)
    if measure in TIMES and quantile is not None and unit in {"ms", "s"}:
        return Objective(text, measure, QUANTILES[quantile], "ms", bound, limit * (1000 if unit == "s" else 1))
    if measure == "mos" and quantile is not None and unit is None:
        return Objective(text, measure, QUANTILES[quantile], "mos", bound, limit)
    raise BadSlo(
        f"--slo '{text}': times are {', '.join(TIMES)} with .p99 or so and ms or s; mos has no unit; "
        f"shares are {', '.join(SHARES)} in %"
    )


def judged(wanted: Objective, result: Result) -> Slo:
    """Whether a result keeps it. What was not measured keeps nothing."""
    if wanted.quantile is None:
        figure = result.figure(wanted.measure)
        actual = figure.value if figure is not None else None
    else:
        distribution = result.distribution(wanted.measure)
        actual = distribution.at(wanted.quantile) if distribution is not None else None
    met = actual is not None and (actual <= wanted.limit if wanted.bound == "most" else actual >= wanted.limit)
    return Slo(
        name=wanted.name,
        measure=wanted.measure,
        quantile=wanted.quantile,
        unit=wanted.unit,
        limit=wanted.limit,
        bound=wanted.bound,
        actual=actual,
        met=met,
    )
