"""The result of one run of any benchmark: the versioned JSON that `--json` writes, and what every report is made of.

```
Result
├── run         what was run: version, target, options, machine, when, seed
├── verdict     valid or why not; each SLO met or not; which side was the limit; what a capacity search found
├── calls       planned, begun, up, lost; failures by cause          (benchmarks of calls)
├── packets     sent, received, lost, reordered, duplicates          (benchmarks of calls)
├── distributions  times and other quantities of many calls or packets, each with its HDR histogram
├── timeline    values per second of the run, its phases
├── faults      what was done to the fabric, and what callers felt of it
├── processes   CPU and memory of what was measured
├── generator   how well the load generator kept up
└── rows        benchmarks that compare points (relay, transceiver, worker link): one row per point
```

`docs/bench-result.schema.json` is its JSON schema. Within one `schema_version` fields are added, never changed or
removed. What a name of a distribution, series or figure means, and how it is printed, is in `bench.report.measures`.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION: Final = 1
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

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Target(Part):
    """What was called.

    Attributes:
        kind: `realtime` (OpenAI Realtime calls), `whip` (RFC 9725), `websocket` (Realtime WebSocket), or `local`:
            servers that the benchmark starts itself.
        url: without user, password, query values and key; empty for `local`.
    """

    kind: Literal["realtime", "whip", "websocket", "local"]
    url: str = ""


class Machine(Part):
    """Where the load generator ran. Load average over 1, 5 and 15 minutes, read when the result was made."""

    cpu: str
    cores: Annotated[int, Field(ge=1)]
    kernel: str
    python: str
    load_average: tuple[float, float, float]


class Run(Part):
    """What was run, so that it can be run again.

    Attributes:
        bench: the command: `calls`, `relay`, `transceiver`, `worker-link`, …
        version: of offhook.
        target: what was called.
        profile: of callers, such as `echo`; None where there is none.
        options: of the command, by name, secrets left out.
        method: how figures were taken, in a sentence.
        machine: that the load ran on.
        versions: of what measured and, where known, of what was measured.
        started_at: with time zone.
        duration_s: from the first to the last moment of the load.
        seed: of everything drawn by chance; None if nothing was.
        interrupted: it was ended before its time, by Ctrl-C, and reports what there is.
    """

    bench: str
    version: str
    target: Target
    profile: str | None = None
    options: dict[str, Any] = {}
    method: str = ""
    machine: Machine
    versions: dict[str, str] = {}
    started_at: AwareDatetime
    duration_s: Annotated[float, Field(ge=0)]
    seed: int | None = None
    interrupted: bool = False


class Slo(Part):
    """A bound that the run was to keep.

    Attributes:
        name: as it was asked for, such as `setup.p99<=1s`.
        measure: name of a distribution or figure.
        quantile: of a distribution; None of a figure.
        unit: of `limit` and `actual`.
        limit: the bound itself still meets it.
        bound: `most`, or `least` for quantities where more is better.
        actual: what was measured; None if nothing was, which meets no SLO.
        met: whether it was kept.
    """

    name: str
    measure: str
    quantile: Quantile | None = None
    unit: Unit
    limit: float
    bound: Literal["most", "least"] = "most"
    actual: float | None
    met: bool


class Capacity(Part):
    """What a search for capacity found.

    Attributes:
        calls: the most calls at once at which every SLO was met; 0 if there was no such number.
        stopped_by: why the search went no further: the name of the SLO that broke, `generator`, or `limit`:
            the most that the option allows.
        steps: names of the rows that hold the steps, in order.
    """

    calls: Count
    stopped_by: str
    steps: tuple[str, ...] = ()


class Verdict(Part):
    """What the run says.

    Attributes:
        valid: the figures are of the target and not of the load generator.
        invalid_because: a sentence each, if not.
        slos: those that were asked for.
        limited_by: which side could carry no more; None if neither was at its limit, or it is not known.
        capacity: of a search for it.
    """

    valid: bool
    invalid_because: tuple[str, ...] = ()
    slos: tuple[Slo, ...] = ()
    limited_by: Literal["target", "generator"] | None = None
    capacity: Capacity | None = None

    @model_validator(mode="after")
    def _reasons_agree(self) -> Self:
        if self.valid == bool(self.invalid_because):
            raise ValueError("a run is invalid for reasons, and valid if there is none")
        return self

    @property
    def met(self) -> bool:
        """It is valid, and every SLO was kept."""
        return self.valid and all(slo.met for slo in self.slos)


class Failure(Part):
    """Calls that failed for one cause, out of a fixed list; `first` is what the first of them was told."""

    cause: str
    count: Annotated[int, Field(ge=1)]
    first: str = ""


class Calls(Part):
    """Calls of the run.

    Attributes:
        planned: by the schedule.
        begun: of these, until the run ended.
        up: that sent and heard media.
        lost: that were up and ended before they should.
        most_at_once: up at the same time.
        failures: of those that never came up and those that were lost, by cause.
    """

    planned: Count
    begun: Count
    up: Count
    lost: Count = 0
    most_at_once: Count = 0
    failures: tuple[Failure, ...] = ()

    @property
    def failed(self) -> int:
        """Calls with a failure."""
        return sum(failure.count for failure in self.failures)


class Packets(Part):
    """RTP packets of the measured stretch, as the callers count them: `lost` are those sent that never came back."""

    sent: Count
    received: Count
    lost: Count
    reordered: Count = 0
    duplicates: Count = 0

    @property
    def lost_share(self) -> float | None:
        """Of those sent."""
        return self.lost / self.sent if self.sent else None


class Histogram(Part):
    """An HDR histogram: V2, compressed, Base64, as every HdrHistogram library reads it.

    Attributes:
        base64: the histogram of whole numbers.
        scale: a recorded 1 is so many of the distribution's unit: 0.001 for µs in a distribution of ms.
    """

    base64: str
    scale: Annotated[float, Field(gt=0)] = 1.0


class Distribution(Part):
    """A quantity that many calls or packets have. Quantiles are None if `count` is 0.

    Attributes:
        name: such as `setup` or `round_trip`; see `bench.report.measures`.
        unit: of all values.
        count: how many values.
        histogram: all of them; None where the source kept none.
    """

    name: str
    unit: Unit
    count: Count
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None
    histogram: Histogram | None = None

    def at(self, quantile: Quantile) -> float | None:
        """Value of a quantile, or of the mean or maximum."""
        value: float | None = getattr(self, quantile)
        return value


class Figure(Part):
    """One number.

    Attributes:
        name: such as `lost_share` or `cpu`; see `bench.report.measures`.
        unit: of the value.
        value: the median of rounds where there are several; None if it could not be measured.
        rounds: each round's value, if there are several.
    """

    name: str
    unit: Unit
    value: float | None
    rounds: tuple[float, ...] = ()


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


class Fault(Part):
    """Something done to the fabric during the run, and what callers felt.

    Attributes:
        name: as it was asked for, such as `kill-relay@30s`.
        what: a sentence: what was done to which process, pod or path.
        at_s: when, on the timeline; when it was really done, which may be a moment after the time asked for.
        until_s: when it ended, for those that last; None for those that are done in a moment, or last until the end.
        error: why it could not be done; the run then says nothing about it.
        calls_playing: that were up when it was done.
        calls_lost: of these, that ended before they should.
        silence: longest stretch in which a call heard nothing, of each call that was up, from the fault on.
        calls_touched: whose silence was longer than `touched_over_ms`.
        touched_over_ms: so long a silence counts as felt.
        seen_by_target: what counters of the target say of it, such as flows that another relay took over.
    """

    name: str
    what: str = ""
    at_s: Annotated[float, Field(ge=0)]
    until_s: float | None = None
    error: str | None = None
    calls_playing: Count = 0
    calls_lost: Count = 0
    silence: Distribution | None = None
    calls_touched: Count = 0
    touched_over_ms: float = 100.0
    seen_by_target: tuple[Figure, ...] = ()


class Process(Part):
    """A process under test, from the outside, during the measured stretch.

    Attributes:
        name: as it was given.
        cpu_s: running time of all its threads.
        cpu_share_of_core: of one core; 2.0 is two cores busy.
        cpu_ms_per_call_second: None for processes that carry no calls.
        rss_kb_begin: resident before the first call.
        rss_kb_end: resident at the end of the measured stretch.
        ended: it was gone before the stretch was over.
    """

    name: str
    cpu_s: float | None = None
    cpu_share_of_core: float | None = None
    cpu_ms_per_call_second: float | None = None
    rss_kb_begin: float | None = None
    rss_kb_end: float | None = None
    ended: bool = False


class Generator(Part):
    """How well the load generator kept up. Its delay is in every delay that it measures.

    Attributes:
        processes: of it.
        cpu_share_of_core: of the busiest of its threads that drive calls.
        late_p99_ms: by how much packets left after they were due, at the 99th percentile of all.
        unsent: packets that the kernel did not take.
    """

    processes: Annotated[int, Field(ge=1)] = 1
    cpu_share_of_core: float | None = None
    late_p99_ms: float | None = None
    unsent: Count = 0


class Row(Part):
    """One point of a benchmark that compares points.

    Attributes:
        name: unique in the result, such as `native:loopback, 200 sessions`.
        labels: what makes the point, such as contender and sessions.
        figures: what was measured.
        invalid: why it says more of the generator than of what is measured; None if it does not.
    """

    name: str
    labels: dict[str, str | int | float] = {}
    figures: tuple[Figure, ...] = ()
    invalid: str | None = None


class Result(Part):
    """See the module. `details` is what a benchmark has to say beyond; no reader depends on its form."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run: Run
    verdict: Verdict
    calls: Calls | None = None
    packets: Packets | None = None
    figures: tuple[Figure, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    timeline: Timeline = Timeline()
    faults: tuple[Fault, ...] = ()
    processes: tuple[Process, ...] = ()
    generator: Generator | None = None
    rows: tuple[Row, ...] = ()
    details: dict[str, Any] = {}

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        parts = {
            "distributions": self.distributions,
            "figures": self.figures,
            "series": self.timeline.series,
            "processes": self.processes,
            "rows": self.rows,
        }
        for kind, named in parts.items():
            names = [each.name for each in named]
            if len(names) != len(set(names)):
                raise ValueError(f"{kind} have names of their own")
        return self

    def distribution(self, name: str) -> Distribution | None:
        """The distribution of that name."""
        return next((each for each in self.distributions if each.name == name), None)

    def figure(self, name: str) -> Figure | None:
        """The figure of that name."""
        return next((each for each in self.figures if each.name == name), None)

    def series(self, name: str) -> Series | None:
        """The series of that name."""
        return next((each for each in self.timeline.series if each.name == name), None)

    @property
    def started_at(self) -> datetime:
        """When the run began."""
        return self.run.started_at
