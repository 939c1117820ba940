"""A result as tables of text. The terminal and the HTML report both print these, so that no figure differs."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from bench.report.measures import measure
from bench.report.model import Fault, Process, Result, Slo
from bench.report.quantities import Distribution, Figure
from bench.report.shown import NOTHING, shown
from bench.report.slo import share

SHARES: Final = ("failed_share", "lost_share", "reordered_share", "duplicate_share")


class Table(NamedTuple):
    """A table.

    Attributes:
        name: such as `slos`; unique in a report.
        title: above it.
        columns: their heads; the first is of text, the others of figures unless `text_columns` names them.
        rows: as many cells as columns each.
        explained: below the title.
        text_columns: indices of columns that hold text.
        marks: `good` or `bad` for each row, or nothing.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    explained: str = ""
    text_columns: Sequence[int] = (0,)
    marks: Sequence[str] = ()


class Card(NamedTuple):
    """One of the figures that a reader wants first: what, how much, and what more there is to say of it."""

    title: str
    text: str
    note: str = ""


def tables(result: Result) -> list[Table]:
    """All tables that a result has something for, most important first."""
    made = [
        slos(result.verdict.slos),
        faults(result.faults),
        seen_by_target(result.faults),
        failures(result),
        distributions(result.distributions),
        counts(result),
        processes(result.processes),
        *points(result),
        generator(result),
    ]
    return [table for table in made if table.rows]


def cards(result: Result) -> list[Card]:
    """The figures on top of a report of calls; none of other benchmarks."""
    if result.calls is None:
        return []
    made = []
    capacity = result.verdict.capacity
    if capacity is not None:
        made.append(Card("Capacity", shown(capacity.calls, "calls"), "calls at once within every bound"))
    made.append(Card("Calls up", f"{result.calls.up:,}", f"of {result.calls.begun:,} begun"))
    for name in ("setup", "first_audio", "mouth_to_ear", "round_trip", "longest_silence"):
        found = result.distribution(name)
        if found is not None and found.count:
            note = f"median; 99 % within {shown(found.p99, found.unit)}"
            made.append(Card(measure(name).title, shown(found.p50, found.unit), note))
    if result.packets is not None and result.packets.sent:
        made.append(Card("Packets lost", shown(result.packets.lost_share, "share"), f"of {result.packets.sent:,} sent"))
    mos = result.distribution("mos")
    if mos is not None and mos.count:
        made.append(Card("Speech quality", shown(mos.p50, "mos"), "MOS of the median call, of 5"))
    return made


def slos(asked: Sequence[Slo]) -> Table:
    """Bounds, kept or not."""
    rows = [
        [
            measure(slo.measure).title + (f", {slo.quantile}" if slo.quantile else ""),
            ("≤ " if slo.bound == "most" else "≥ ") + shown(slo.limit, slo.unit),
            shown(slo.actual, slo.unit),
            "kept" if slo.met else "broken",
        ]
        for slo in asked
    ]
    return Table(
        "slos",
        "What was asked for",
        ("Bound", "Allowed", "Measured", ""),
        rows,
        text_columns=(0, 3),
        marks=["good" if slo.met else "bad" for slo in asked],
    )


def faults(done: Sequence[Fault]) -> Table:
    """Each fault and what callers felt."""
    return Table(
        "faults",
        "What was broken, and what callers felt",
        ("Fault", "What was done", "At", "Calls up", "Felt it", "Lost", "Silence p50", "p99", "longest"),
        [_fault(fault) for fault in done],
        explained="Silence is the longest time in which a call heard nothing, from the fault on, over all calls that "
        "were up. A call felt the fault if that was longer than "
        + (shown(done[0].touched_over_ms, "ms") if done else NOTHING)
        + ".",
        text_columns=(0, 1),
    )


def _fault(fault: Fault) -> list[str]:
    silence = fault.silence or Distribution(name="longest_silence", unit="ms", count=0)
    return [
        fault.name,
        fault.what if fault.error is None else f"not done: {fault.error}",
        shown(fault.at_s, "s"),
        shown(fault.calls_playing, "calls"),
        shown(fault.calls_touched, "calls"),
        shown(fault.calls_lost, "calls"),
        *(shown(value, silence.unit) for value in (silence.p50, silence.p99, silence.max)),
    ]


def seen_by_target(done: Sequence[Fault]) -> Table:
    """What the target's own counters say of the faults."""
    return Table(
        "seen-by-target",
        "What the target itself counted",
        ("Fault", "Counter", "Between before and after"),
        [
            [fault.name, measure(each.name).title, shown(each.value, each.unit)]
            for fault in done
            for each in fault.seen_by_target
        ],
        text_columns=(0, 1),
    )


def failures(result: Result) -> Table:
    """Failures by cause."""
    rows = [
        [failure.cause, shown(failure.count, "calls"), failure.first]
        for failure in (result.calls.failures if result.calls else ())
    ]
    return Table("failures", "Why calls failed", ("Cause", "Calls", "The first was told"), rows, text_columns=(0, 2))


def distributions(found: Sequence[Distribution]) -> Table:
    """Quantiles of each distribution that has values."""
    rows = [
        [
            measure(each.name).title,
            f"{each.count:,}",
            *(shown(value, each.unit) for value in (each.p50, each.p90, each.p95, each.p99, each.p999, each.max)),
        ]
        for each in found
        if each.count
    ]
    return Table(
        "distributions",
        "Distributions",
        ("", "Values", "p50", "p90", "p95", "p99", "p99.9", "max"),
        rows,
        explained="p99 is the value that 99 of 100 stay within. Times count from when something was due: a slow "
        "target cannot hide by slowing the load.",
    )


def counts(result: Result) -> Table:
    """Counts and figures of the whole run."""
    rows = []
    if result.calls is not None:
        calls = result.calls
        for title, number in (
            ("Calls planned", calls.planned),
            ("Calls begun", calls.begun),
            ("Calls up", calls.up),
            ("Calls lost", calls.lost),
            ("Most calls at once", calls.most_at_once),
        ):
            rows.append([title, shown(number, "calls")])
    if result.packets is not None:
        packets = result.packets
        rows += [["Packets sent", f"{packets.sent:,}"], ["Packets heard", f"{packets.received:,}"]]
    for name in SHARES:
        value = share(result, name)
        if value is not None:
            rows.append([measure(name).title, shown(value, "share")])
    rows += [[measure(each.name).title, _figure(each)] for each in result.figures if each.name not in SHARES]
    return Table("counts", "Counts", ("", ""), rows)


def processes(measured: Sequence[Process]) -> Table:
    """What the processes under test used."""
    return Table(
        "processes",
        "What it cost",
        ("Process", "CPU", "of a core", "per call-second", "Memory before", "at the end"),
        [
            [
                each.name + (" (ended in the run)" if each.ended else ""),
                shown(each.cpu_s, "s"),
                shown(each.cpu_share_of_core, "share"),
                shown(each.cpu_ms_per_call_second, "ms/call-second"),
                shown(each.rss_kb_begin, "KiB"),
                shown(each.rss_kb_end, "KiB"),
            ]
            for each in measured
        ],
        explained="CPU is the running time of all threads of a process during the measured stretch.",
    )


def points(result: Result) -> list[Table]:
    """Rows of benchmarks that compare points, in one table for each set of figures."""
    groups: dict[tuple[str, ...], list[list[str]]] = {}
    for row in result.rows:
        names = tuple(figure.name for figure in row.figures)
        cells = [row.name + (" (not valid)" if row.invalid else ""), *(_figure(figure) for figure in row.figures)]
        groups.setdefault(names, []).append(cells)
    return [
        Table(
            f"rows-{number}",
            "Points" if not number else f"Points, {number + 1}",
            ("", *(measure(name).title for name in names)),
            rows,
        )
        for number, (names, rows) in enumerate(groups.items())
    ]


def generator(result: Result) -> Table:
    """Whether the generator kept up."""
    found = result.generator
    if found is None:
        return Table("generator", "", (), ())
    rows = [
        ["Processes", shown(found.processes, "count")],
        ["Busiest thread, of a core", shown(found.cpu_share_of_core, "share")],
        ["All of it, cores", shown(found.cores_used, "count")],
        ["Busy on its machine, cores", shown(found.machine_cores_busy, "count")],
        ["Packets sent late, p99", shown(found.late_p99_ms, "ms")],
        ["Packets the kernel did not take", shown(found.unsent, "packets")],
    ]
    return Table(
        "generator",
        "The load generator",
        ("", ""),
        rows,
        explained="What it is late by is in every delay above; a generator at its limit makes a run invalid.",
    )


def _figure(figure: Figure) -> str:
    text = shown(figure.value, figure.unit)
    if len(figure.rounds) > 1:
        text += f" ({shown(min(figure.rounds), figure.unit)} to {shown(max(figure.rounds), figure.unit)})"
    return text
