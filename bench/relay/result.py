"""What was measured of relays, as rows of a result."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bench.relay.cpu_split import CpuSplit
from bench.report.model import Row
from bench.report.points import Column, figure, figures_of
from bench.report.quantities import Figure, Series, Timeline

Key = tuple[str, int, int]
"""Of a point: contender, rate, flows."""
Labels = dict[str, str | int | float]
BASELINE: Final = "baseline"
FORWARDING: Final = (
    Column("cpu_per_packet", "us", ("cpu_us_per_packet",)),
    Column("added_p50", "us", ("added_us", "p50")),
    Column("added_p99", "us", ("added_us", "p99")),
    Column("lost_share", "share", ("lost_share",)),
    Column("memory_held", "KiB", ("relay_rss_kb",)),
)
DEATH: Final = (
    Column("silence_p50", "ms", ("longest_silence_ms", "p50")),
    Column("silence_p99", "ms", ("longest_silence_ms", "p99")),
    Column("silence_longest", "ms", ("longest_silence_ms", "max")),
    Column("packets_lost", "packets", ("packets_lost",)),
    Column("packets_sent", "packets", ("packets_sent",)),
)
SOAK: Final = (
    Column("packets_forwarded", "packets", ("packets",)),
    Column("lost_share", "share", ("lost_share",)),
    Column("five_tuples", "count", ("five_tuples",)),
    Column("flows_at_end", "count", ("flows_at_end",)),
    Column("memory_growth", "KiB", ("steady_growth_kb",)),
)


def rows_of_forwarding(points: Sequence[Mapping[str, Any]], splits: Mapping[Key, CpuSplit]) -> Iterator[Row]:
    """A row per contender, rate and number of flows; where CPU was told apart, a row of its parts."""
    keys = dict.fromkeys(map(_key, points))
    of_key = {key: [each for each in points if _key(each) == key] for key in keys}
    apart = []
    for (relay, rate, flows), rounds in of_key.items():
        figures = [*figures_of(rounds, FORWARDING)]
        if (baseline := of_key.get((BASELINE, rate, flows))) is not None:
            figures.append(_to_baseline(rounds, baseline))
        name = f"{relay}, {rate:,}/s, {flows:,} flows"
        labels: Labels = {"contender": relay, "packets_per_s": rate, "flows": flows}
        yield Row(name=name, labels=labels, figures=tuple(figures))
        if (split := splits.get((relay, rate, flows))) is not None:
            apart.append(Row(name=f"{name}: CPU", labels=labels, figures=_parts(split, figures[0].value or 0.0)))
    yield from apart


def _key(point: Mapping[str, Any]) -> Key:
    return point["relay"], point["offered_per_s"], point["flows"]


def _to_baseline(rounds: Sequence[Mapping[str, Any]], baseline: Sequence[Mapping[str, Any]]) -> Figure:
    """Round by round: what the machine did meanwhile concerned both."""
    pairs = zip(rounds, baseline, strict=False)
    return figure("cpu_to_baseline", "times", [a["cpu_us_per_packet"] / b["cpu_us_per_packet"] for a, b in pairs])


def _parts(split: CpuSplit, cpu_us: float) -> tuple[Figure, ...]:
    shares = {part: share for part, share in split._asdict().items() if part != "samples"}
    return tuple(figure(f"cpu_{part}", "us", [share * cpu_us]) for part, share in shares.items())


def rows_of_deaths(deaths: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """A row with flow sync, and one without."""
    for death in deaths:
        name = "with flow sync" if death["flow_sync"] else "without flow sync"
        yield Row(name=name, labels={"flow_sync": death["flow_sync"]}, figures=figures_of([death], DEATH))


def row_of_soak(soak: Mapping[str, Any], engine: str) -> Row:
    """The one row of a soak."""
    return Row(name=f"{engine}, {soak['packets']:,} packets", figures=figures_of([soak], SOAK))


def memory_over_time(rss_kb: Sequence[float], interval_s: float) -> Timeline:
    """Resident memory, read at equal distances."""
    series = Series(name="memory_held", unit="KiB", values=tuple(rss_kb))
    return Timeline(interval_s=interval_s, series=(series,))
