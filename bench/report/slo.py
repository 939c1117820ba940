"""Bounds that a run is to keep: what an option says, and whether a result keeps it.

```
setup.p99<=800ms     round_trip.p99<=150ms     longest_silence.max<=300ms
lost_share<=1%       failed_share<=0.5%        mos.p50>=4.0
```
"""

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, cast, get_args

from bench.report.model import Result, Slo
from bench.report.quantities import Quantile, Unit

_BOUND: Final = re.compile(
    r"(?P<measure>[a-z_]+)(?:\.(?P<quantile>[a-z0-9]+))?\s*(?P<sign><=|>=)\s*(?P<limit>\d+(?:\.\d+)?)\s*(?P<unit>[a-zµ%]*)"
)
_TO_MS: Final = {"us": 0.001, "µs": 0.001, "ms": 1.0, "s": 1000.0}
_WITHOUT_QUANTILE: Final = ("lost_share", "failed_share", "reordered_share", "duplicate_share", "concealed_share")


class Bound(NamedTuple):
    """What is asked for; see `Slo`. Times are in ms, shares from 0 to 1."""

    name: str
    measure: str
    quantile: Quantile | None
    bound: Literal["most", "least"]
    limit: float
    unit: Unit


def parse_bound(text: str) -> Bound:
    """Reads `measure.quantile<=limit`.

    Raises:
        ValueError: it is not of that form; the message says what is expected.
    """
    match = _BOUND.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not of the form setup.p99<=800ms or lost_share<=1%")
    quantile = match["quantile"]
    if quantile is not None and quantile not in get_args(Quantile):
        raise ValueError(f"'{text}': a quantile is one of {', '.join(get_args(Quantile))}")
    measure = match["measure"]
    if quantile is None and measure not in _WITHOUT_QUANTILE:
        raise ValueError(f"'{text}' needs a quantile, such as {measure}.p99")
    limit, unit = _limit(text, float(match["limit"]), match["unit"], measure)
    side: Literal["most", "least"] = "most" if match["sign"] == "<=" else "least"
    return Bound(text.strip().replace(" ", ""), measure, cast("Quantile | None", quantile), side, limit, unit)


def _limit(text: str, limit: float, unit: str, measure: str) -> tuple[float, Unit]:
    if unit in _TO_MS:
        return limit * _TO_MS[unit], "ms"
    if measure.endswith("_share"):
        return (limit / 100 if unit == "%" else limit), "share"
    if measure == "mos" and not unit:
        return limit, "mos"
    raise ValueError(f"'{text}': a time has a unit (ms, s), a share a % sign")


def judged(result: Result, bounds: Iterable[Bound]) -> tuple[Slo, ...]:
    """Which bounds a result keeps. What was not measured keeps none."""
    return tuple(_judged(result, bound) for bound in bounds)


def _judged(result: Result, bound: Bound) -> Slo:
    actual = _actual(result, bound)
    met = actual is not None and (actual <= bound.limit if bound.bound == "most" else actual >= bound.limit)
    return Slo(**bound._asdict(), actual=actual, met=met)


def _actual(result: Result, bound: Bound) -> float | None:
    if bound.quantile is None:
        return share(result, bound.measure)
    found = result.distribution(bound.measure)
    if found is None:
        return None
    value = found.at(bound.quantile)
    if value is None or found.unit == bound.unit:
        return value
    return value * _TO_MS[found.unit] if found.unit in _TO_MS and bound.unit == "ms" else None


def share(result: Result, name: str) -> float | None:
    """A share of the run's calls or packets, or a figure that is a share."""
    calls, packets = result.calls, result.packets
    if name == "failed_share" and calls is not None:
        return calls.failed / calls.begun if calls.begun else None
    if packets is not None and packets.sent:
        counts = {
            "lost_share": packets.lost,
            "reordered_share": packets.reordered,
            "duplicate_share": packets.duplicates,
        }
        if name in counts:
            return counts[name] / packets.sent
    figure = result.figure(name)
    return figure.value if figure is not None else None
