"""HDR histograms of a result: decoded, merged, and made into distributions. The load's processes encode them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from bench.report.quantities import Distribution, Histogram, Unit

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

LOWEST, HIGHEST, DIGITS = 1, 60_000_000, 3
"""Whole numbers of a microsecond, up to a minute, with three digits: what `bench/caller/src/figures.rs` records."""
QUANTILES: Final = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}


ENOUGH_FOR_P999: Final = 1000
"""Of fewer values the 99.9th percentile is only the greatest."""


def _empty() -> "HdrHistogram":
    # Every role's command line names the benches, and only their image has the library.
    from hdrh.histogram import HdrHistogram  # noqa: PLC0415 - see the line above

    return HdrHistogram(LOWEST, HIGHEST, DIGITS)


def recorded(values: Iterable[int]) -> "HdrHistogram":
    """A histogram of whole numbers; those out of bounds count as the nearest bound."""
    histogram = _empty()
    for value in values:
        histogram.record_value(min(max(value, LOWEST), HIGHEST))
    return histogram


def decoded(base64: str) -> "HdrHistogram":
    """Reads V2, compressed or not, in Base64.

    Raises:
        ValueError: it is none.
    """
    try:
        return _empty().decode(base64)
    except Exception as error:  # noqa: BLE001 - the library names no family of its own for bad input
        raise ValueError(f"not an HDR histogram: {error}") from None


def merged(histograms: Sequence[str]) -> "HdrHistogram":
    """One histogram of what several processes have recorded.

    Raises:
        ValueError: one of them is no histogram.
    """
    whole = _empty()
    for each in histograms:
        whole.add(decoded(each))
    return whole


def values(histogram: "HdrHistogram") -> dict[int, int]:
    """Each value that was recorded, in rising order, and how often.

    The library's own iterator takes eight times as long.
    """
    counts = enumerate(histogram.counts)
    return {histogram.get_value_from_index(index): count for index, count in counts if count}


def distribution(name: str, unit: Unit, histogram: "HdrHistogram", *, scale: float) -> Distribution:
    """What a result holds of a histogram.

    Args:
        name: see `bench.report.measures`.
        unit: of the distribution.
        histogram: of whole numbers.
        scale: a recorded 1 is so many of `unit`.
    """
    count = histogram.get_total_count()
    if not count:
        return Distribution(name=name, unit=unit, count=0)
    quantiles = {key: histogram.get_value_at_percentile(share) * scale for key, share in QUANTILES.items()}
    return Distribution(
        name=name,
        unit=unit,
        count=count,
        mean=histogram.get_mean_value() * scale,
        max=histogram.get_max_value() * scale,
        histogram=Histogram(base64=histogram.encode().decode(), scale=scale),
        **{key: round(value, 6) for key, value in quantiles.items() if key != "p999" or count >= ENOUGH_FOR_P999},
    )
