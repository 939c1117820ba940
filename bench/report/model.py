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

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from bench.report.quantities import Count, Distribution, Figure, Part, Quantile, Series, Timeline, Unit

SCHEMA_VERSION: Final = 1


class Target(Part):
    """What was called."""

    kind: Literal["realtime", "whip", "websocket", "local"]
    """OpenAI Realtime calls, WHIP (RFC 9725), Realtime WebSocket, or servers that the benchmark starts itself."""
    url: str = ""
    """Without user, password, query values and key; empty for `local`."""


class Machine(Part):
    """Where the load generator ran. Load average over 1, 5 and 15 minutes, read when the result was made."""

    cpu: str
    cores: Annotated[int, Field(ge=1)]
    kernel: str
    python: str
    load_average: tuple[float, float, float]


class Run(Part):
    """What was run, so that it can be run again."""

    bench: str
    """The command: `calls`, `relay`, `transceiver`, `worker-link`, …"""
    version: str
    """Version of offhook."""
    target: Target
    """What was called."""
    profile: str | None = None
    """What callers do, such as `echo`; None where there are no callers."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the command, by name; secrets are left out."""
    method: str = ""
    """How figures were taken, in a sentence."""
    machine: Machine
    """The one that the load ran on."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of what measured and, where known, of what was measured."""
    started_at: AwareDatetime
    """When the load began."""
    duration_s: Annotated[float, Field(ge=0)]
    """From the first to the last moment of the load."""
    seed: int | None = None
    """What everything drawn by chance was drawn from; None if nothing was."""
    interrupted: bool = False
    """It was ended before its time, by Ctrl-C, and reports what there is."""


class Slo(Part):
    """A bound that the run was to keep."""

    name: str
    """As it was asked for, such as `setup.p99<=1s`."""
    measure: str
    """Name of a distribution or figure."""
    quantile: Quantile | None = None
    """Which one of a distribution; None where `measure` is a figure."""
    unit: Unit
    """Unit of `limit` and `actual`."""
    limit: float
    """A value equal to it still meets it."""
    bound: Literal["most", "least"] = "most"
    """Whether the limit is the most or the least that is good."""
    actual: float | None
    """What was measured; None if nothing was, which meets no SLO."""
    met: bool
    """Whether it was kept."""


class Capacity(Part):
    """What a search for capacity found."""

    calls: Count
    """The most calls at once at which every SLO was met; 0 if there was no such number."""
    stopped_by: str
    """Why no more was found: name of the SLO that broke; `generator` or `machine`, which could carry no more; `limit`,
    the most that was asked for; or `interrupted`."""
    because: str = ""
    """What was at its limit in the smallest step that was too much, if that is known."""
    steps: tuple[str, ...] = ()
    """Names of the rows that hold the steps, in order."""


class Verdict(Part):
    """What the run says."""

    valid: bool
    """The figures are of the target and not of the load generator."""
    invalid_because: tuple[str, ...] = ()
    """Why not, a sentence each."""
    slos: tuple[Slo, ...] = ()
    """Those that were asked for."""
    limited_by: Literal["target", "generator", "machine"] | None = None
    """Which side could carry no more; `machine`: the one that both share was full. None if no limit was reached, or it
    is not known."""
    limited_because: str = ""
    """What tells: who used how much. Also where no limit was reached, if target and load share a machine."""
    capacity: Capacity | None = None
    """What a search for it found; None if there was none."""

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
    """Calls of the run."""

    planned: Count
    """Calls of the schedule."""
    begun: Count
    """Those that were due before the run ended."""
    up: Count
    """Those that sent and heard media."""
    lost: Count = 0
    """Those that were up and ended before they should."""
    most_at_once: Count = 0
    """Up at the same time."""
    failures: tuple[Failure, ...] = ()
    """Why calls never came up or were lost."""

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


class Fault(Part):
    """Something done to the fabric during the run, and what callers felt."""

    name: str
    """As it was asked for, such as `kill-relay@30s`."""
    what: str = ""
    """A sentence: what was done to which process, pod or path."""
    at_s: Annotated[float, Field(ge=0)]
    """When, on the timeline; when it was really done, which may be a moment after the time asked for."""
    until_s: float | None = None
    """When it ended, for those that last; None for those that are done in a moment, or last until the end."""
    error: str | None = None
    """Why it could not be done; the run then says nothing about it."""
    calls_playing: Count = 0
    """Calls that were up when it was done."""
    calls_lost: Count = 0
    """Those of them that ended before they should."""
    silence: Distribution | None = None
    """Longest stretch in which a call heard nothing, of each call that was up, from the fault on."""
    calls_touched: Count = 0
    """Calls whose silence was longer than `touched_over_ms`."""
    touched_over_ms: float = 100.0
    """A longer silence counts as felt."""
    seen_by_target: tuple[Figure, ...] = ()
    """What counters of the target say of it, such as flows that another relay took over."""


class Process(Part):
    """A process under test, from the outside, during the measured stretch."""

    name: str
    """As it was given."""
    cpu_s: float | None = None
    """Running time of all its threads."""
    cpu_share_of_core: float | None = None
    """Share of one core; 2.0 is two cores busy."""
    cpu_ms_per_call_second: float | None = None
    """None for processes that carry no calls."""
    rss_kb_begin: float | None = None
    """Resident before the first call."""
    rss_kb_end: float | None = None
    """Resident at the end of the measured stretch."""
    ended: bool = False
    """It was gone before the stretch was over."""


class Generator(Part):
    """How well the load generator kept up. Its delay is in every delay that it measures."""

    processes: Annotated[int, Field(ge=1)] = 1
    """Processes of the generator."""
    cpu_share_of_core: float | None = None
    """Share of a core that the busiest of its threads used."""
    cores_used: float | None = None
    """Cores that all its processes and threads used together."""
    machine_cores_busy: float | None = None
    """Cores of its machine that were busy, whoever with."""
    late_p99_ms: float | None = None
    """By how much packets left after they were due, at the 99th percentile of all."""
    unsent: Count = 0
    """Packets that the kernel did not take."""


class Row(Part):
    """One point of a benchmark that compares points."""

    name: str
    """Unique in the result, such as `native:loopback, 200 sessions`."""
    labels: dict[str, str | int | float] = Field(default_factory=dict)
    """What makes the point, such as contender and sessions."""
    figures: tuple[Figure, ...] = ()
    """What was measured."""
    invalid: str | None = None
    """Why it says more of the generator than of what is measured; None if it does not."""


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
    details: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = {
            "distributions": [each.name for each in self.distributions],
            "figures": [each.name for each in self.figures],
            "processes": [each.name for each in self.processes],
            "rows": [each.name for each in self.rows],
            "series": [each.name for each in self.timeline.series],
        }
        for kind, given in names.items():
            if len(given) != len(set(given)):
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
