"""What a result is measured in: units, distributions with their histograms, figures, and series over time."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_SECONDS: Final = 24 * 3600
"""Longest timeline that a report holds; what is longer is a soak test with other tools."""

Unit = Literal[
    "ms",
    "us",
    "s",
    "share",
    "calls",
    "packets",
    "packets/s",
    "KiB",
    "mos",
    "count",
    "ms/call-second",
    "times",
]
"""Of a value. `share` is 0 to 1; `ms/call-second` is CPU time per call and second; `mos` is 1 to 5; `times` a ratio."""
Better = Literal["lower", "higher", "neither"]
Quantile = Literal["p50", "p90", "p95", "p99", "p999", "max", "mean"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """Base of all parts: immutable, and what it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class Histogram(Part):
    """An HDR histogram: V2, compressed, Base64, as every HdrHistogram library reads it."""

    base64: str
    """Histogram of whole numbers."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """A recorded 1 is so many of the distribution's unit: 0.001 for µs in a distribution of ms."""


class Distribution(Part):
    """A quantity that many calls or packets have. Quantiles are None if `count` is 0."""

    name: str
    """Such as `setup` or `round_trip`; see `bench.report.measures`."""
    unit: Unit
    """Unit of all values."""
    count: Count
    """How many values."""
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    """None of fewer than 1,000 values, too."""
    max: float | None = None
    histogram: Histogram | None = None
    """All values; None where the source kept none."""

    def at(self, quantile: Quantile) -> float | None:
        """Value of a quantile, or of the mean or maximum."""
        value: float | None = getattr(self, quantile)
        return value


class Figure(Part):
    """One number."""

    name: str
    """Such as `lost_share` or `cpu`; see `bench.report.measures`."""
    unit: Unit
    """Unit of the value."""
    value: float | None
    """The median of rounds where there are several; None if it could not be measured."""
    rounds: tuple[float, ...] = ()
    """Each round's value, if there are several."""


class Series(Part):
    """A value for each interval of the timeline; None where there was none, such as a delay when nothing came."""

    name: str
    unit: Unit
    values: tuple[float | None, ...]


class Phase(Part):
    """A stretch of the run, such as `ramp`, `warm-up`, `steady`; only `measured` ones are in the distributions."""

    name: str
    from_s: float
    to_s: float
    measured: bool = False


class Timeline(Part):
    """How the run went: series of equal length, the first value of each for the interval that begins at 0 s."""

    interval_s: Annotated[float, Field(gt=0)] = 1.0
    phases: tuple[Phase, ...] = ()
    series: tuple[Series, ...] = ()

    @model_validator(mode="after")
    def _equal_lengths(self) -> Self:
        lengths = {len(series.values) for series in self.series}
        if len(lengths) > 1:
            raise ValueError("all series have the same length")
        if max(lengths, default=0) * self.interval_s > MOST_SECONDS:
            raise ValueError(f"a timeline has {MOST_SECONDS} s at most")
        return self
