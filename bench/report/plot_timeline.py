"""The run over time: panels one below the other on one time axis, phases shaded, faults marked through all of them."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from bench.report.measures import measure
from bench.report.model import Fault, Result
from bench.report.quantities import Phase, Series, Timeline, Unit
from bench.report.shown import shown
from bench.report.svg import Scale, drawing, element, path, ticks

WIDTH, LEFT, RIGHT = 1000.0, 76.0, 14.0
PANEL, GAP, BOTTOM = 112.0, 42.0, 44.0
FAULT_LINE: Final = 20.0
TIP_COLUMNS: Final = 600
"""Longer runs have no figures under the pointer: so many columns at most."""

Style = Literal["area", "line", "second", "bars"]


class Panel(NamedTuple):
    """A panel: the series it draws, each in its style, later ones above earlier ones."""

    title: str
    drawn: Sequence[tuple[str, Style]]


PANELS: Final = (
    Panel("Calls up", (("active_calls", "area"),)),
    Panel("Calls failed, per second", (("failures", "bars"),)),
    Panel("Calls that heard nothing for 100 ms or more", (("silent_calls", "bars"),)),
    Panel("Round trip: median, and p99 above it", (("round_trip_p99", "second"), ("round_trip_p50", "line"))),
    Panel("Packets lost, per second", (("packets_lost", "bars"),)),
)
NOT_DRAWN: Final = frozenset({"packets_sent", "packets_received", "setups"})
"""What says nothing that another panel does not."""


def timeline_plot(result: Result) -> str | None:
    """The picture; None of a run that has no timeline."""
    timeline = result.timeline
    panels = list(_panels(timeline))
    if not panels:
        return None
    seconds = max(len(series.values) for series in timeline.series) * timeline.interval_s
    faults = [fault for fault in result.faults if fault.error is None]
    top = 26.0 + FAULT_LINE * min(len(faults), 3)
    bottom = top + len(panels) * (PANEL + GAP) - GAP
    across = Scale(0.0, seconds, LEFT, WIDTH - RIGHT)
    parts = [*_phases(timeline.phases, across, top, bottom)]
    for index, panel in enumerate(panels):
        parts += _panel(panel, timeline, across, top + index * (PANEL + GAP))
    parts += _time_axis(across, bottom)
    parts += _faults(faults, across, top, bottom)
    parts += _tips(timeline, across, top, bottom)
    return drawing(WIDTH, bottom + BOTTOM, parts, says="The run over time")


def _panels(timeline: Timeline) -> Iterator[Panel]:
    there = {series.name: series for series in timeline.series}
    known = {name for panel in PANELS for name, _ in panel.drawn} | NOT_DRAWN
    for panel in PANELS:
        drawn = [(name, style) for name, style in panel.drawn if name in there and _has_values(there[name])]
        # Bars of a thing that never happened are an empty box: the tables say 0.
        if drawn and not (all(style == "bars" for _, style in drawn) and not any(any_of(there[n]) for n, _ in drawn)):
            yield Panel(panel.title, drawn)
    for name, series in there.items():
        if name not in known and _has_values(series):
            yield Panel(measure(name).title, ((name, "line"),))


def any_of(series: Series) -> bool:
    """It has a value that is not 0."""
    return any(series.values)


def _has_values(series: Series) -> bool:
    return any(value is not None for value in series.values)


def _panel(panel: Panel, timeline: Timeline, across: Scale, top: float) -> list[str]:
    chosen = [(series, style) for name, style in panel.drawn for series in timeline.series if series.name == name]
    unit = chosen[0][0].unit
    highest = max((value for series, _ in chosen for value in series.values if value is not None), default=0.0)
    marks = ticks(highest, 3)
    up = Scale(0.0, marks[-1], top + PANEL, top)
    parts = [element("text", panel.title, x=LEFT, y=top - 10, class_="title")]
    for mark in marks:
        y = up.at(mark)
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid" if mark else "axis"))
        parts.append(element("text", _tick(mark, unit), x=LEFT - 8, y=y + 4, class_="tick end"))
    for series, style in chosen:
        parts += _bars(series, timeline, across, up) if style == "bars" else _lines(series, style, timeline, across, up)
    return parts


def _tick(value: float, unit: Unit) -> str:
    return shown(value, unit) if value else "0"


def _lines(series: Series, style: Style, timeline: Timeline, across: Scale, up: Scale) -> Iterator[str]:
    for stretch in _stretches(series, timeline.interval_s, across, up):
        # A single second between two without a value is a dot.
        if len(stretch) == 1:
            yield element("circle", cx=stretch[0][0], cy=stretch[0][1], r=2.0, class_=f"dot {style}")
            continue
        if style == "area":
            base = up.at(0.0)
            closed = path([(stretch[0][0], base), *stretch, (stretch[-1][0], base)]) + "Z"
            yield element("path", d=closed, class_="area")
        yield element("path", d=path(stretch), class_=f"line {style}")


def _stretches(series: Series, interval_s: float, across: Scale, up: Scale) -> Iterator[list[tuple[float, float]]]:
    """Points of seconds that follow each other; a second without a value breaks the line."""
    stretch: list[tuple[float, float]] = []
    for index, value in enumerate(series.values):
        if value is None:
            if stretch:
                yield stretch
            stretch = []
        else:
            stretch.append((across.at((index + 0.5) * interval_s), up.at(value)))
    if stretch:
        yield stretch


def _bars(series: Series, timeline: Timeline, across: Scale, up: Scale) -> Iterator[str]:
    wide = max(1.5, 0.8 * (across.at(timeline.interval_s) - across.at(0.0)))
    for index, value in enumerate(series.values):
        if value:
            middle, y = across.at((index + 0.5) * timeline.interval_s), up.at(value)
            yield element("rect", x=middle - wide / 2, y=y, width=wide, height=up.at(0.0) - y, class_="bars")


def _time_axis(across: Scale, bottom: float) -> Iterator[str]:
    for mark in ticks(across.high, 8):
        if mark <= across.high:
            x = across.at(mark)
            yield element("line", x1=x, x2=x, y1=bottom, y2=bottom + 5, class_="axis")
            yield element("text", f"{mark:g} s", x=x, y=bottom + 20, class_="tick middle")


def _phases(phases: Sequence[Phase], across: Scale, top: float, bottom: float) -> Iterator[str]:
    for phase in phases:
        begin, end = across.at(phase.from_s), across.at(phase.to_s)
        kind = "phase measured" if phase.measured else "phase"
        yield element("rect", x=begin, y=top, width=max(0.0, end - begin), height=bottom - top, class_=kind)
        if end - begin > 7 * len(phase.name):
            yield element("text", phase.name, x=(begin + end) / 2, y=bottom + 38, class_="tick middle")


def _faults(faults: Sequence[Fault], across: Scale, top: float, bottom: float) -> Iterator[str]:
    for index, fault in enumerate(faults):
        x = across.at(fault.at_s)
        y = 14.0 + FAULT_LINE * (index % 3)
        if fault.until_s is not None:
            wide = across.at(fault.until_s) - x
            yield element("rect", x=x, y=top, width=wide, height=bottom - top, class_="fault-lasts")
        yield element("line", x1=x, x2=x, y1=y - 8, y2=bottom, class_="fault")
        # Names near the right edge stand left of their line.
        beside, side = (x - 6, "fault-name end") if x > WIDTH - 200 else (x + 6, "fault-name")
        yield element("text", fault.name, x=beside, y=y + 2, class_=side)


def _tips(timeline: Timeline, across: Scale, top: float, bottom: float) -> Iterator[str]:
    """Invisible columns that show all values of a second under the pointer."""
    count = len(timeline.series[0].values)
    if count > TIP_COLUMNS:
        return
    for index in range(count):
        begin, end = across.at(index * timeline.interval_s), across.at((index + 1) * timeline.interval_s)
        said = [f"{index * timeline.interval_s:g} s"] + [
            f"{measure(series.name).title}: {shown(series.values[index], series.unit)}" for series in timeline.series
        ]
        column = element("rect", x=begin, y=top, width=end - begin, height=bottom - top, class_="tip")
        tip = element("title", "\n".join(said))
        yield f"{column.removesuffix('/>')}>{tip}</rect>"
