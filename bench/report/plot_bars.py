"""Bars: the stages of setup one below the other, and the rows of a benchmark that compares points."""

from collections.abc import Sequence
from typing import Final

from bench.report.measures import measure
from bench.report.model import Result, Row
from bench.report.quantities import Distribution, Figure
from bench.report.shown import shown
from bench.report.svg import Scale, drawing, element, ticks

STAGES: Final = ("setup_answer", "setup_ice", "setup_dtls", "setup_first_media", "setup")
WIDTH, LEFT, RIGHT, TOP, LINE = 1000.0, 190.0, 90.0, 30.0, 30.0
SMALL_WIDTH, SMALL_LEFT, SMALL_LINE = 480.0, 150.0, 20.0
MOST_ROWS: Final = 24
CHARACTER: Final = 6.6
"""Width of a character of a label."""


def setup_plot(result: Result) -> str | None:
    """How long each stage of setup took: p50, p90 and p99 on one bar each. None if no stage was measured."""
    stages = [each for name in STAGES if (each := result.distribution(name)) is not None and each.count]
    if not stages:
        return None
    marks = ticks(max(stage.p99 or 0.0 for stage in stages), 6)
    across = Scale(0.0, marks[-1], LEFT, WIDTH - RIGHT)
    bottom = TOP + LINE * len(stages)
    parts = []
    for mark in marks:
        x = across.at(mark)
        parts.append(element("line", x1=x, x2=x, y1=TOP - 6, y2=bottom, class_="grid" if mark else "axis"))
        parts.append(element("text", shown(mark, stages[0].unit) if mark else "0", x=x, y=16, class_="tick middle"))
    for index, stage in enumerate(stages):
        parts += _stage(stage, across, TOP + LINE * index)
    return drawing(WIDTH, bottom + 8, parts, says="Stages of call setup")


def _stage(stage: Distribution, across: Scale, top: float) -> list[str]:
    title = measure(stage.name).title
    parts = [element("text", title, x=LEFT - 10, y=top + 19, class_="label end")]
    begin = across.at(0.0)
    for value, shade in ((stage.p99, "p99"), (stage.p90, "p90"), (stage.p50, "p50")):
        wide = across.at(value or 0.0) - begin
        parts.append(element("rect", x=begin, y=top + 6, width=max(wide, 1.0), height=LINE - 12, class_=f"q {shade}"))
    parts.append(
        element("text", shown(stage.p99, stage.unit), x=across.at(stage.p99 or 0.0) + 6, y=top + 19, class_="tick")
    )
    return parts


def row_plots(rows: Sequence[Row]) -> list[str]:
    """For each figure that several rows have, its bars; of very many rows none, for the table says it better."""
    if not 1 < len(rows) <= MOST_ROWS:
        return []
    names = dict.fromkeys(figure.name for row in rows for figure in row.figures)
    plots = []
    for name in names:
        found = [(row, figure) for row in rows for figure in row.figures if figure.name == name]
        drawn = [(row, figure, figure.value) for row, figure in found if figure.value is not None]
        if len(drawn) > 1 and any(value > 0 for _, _, value in drawn):
            plots.append(_bars(name, drawn))
    return plots


def _bars(name: str, drawn: Sequence[tuple[Row, Figure, float]]) -> str:
    longest = max(len(row.name) for row, _, _ in drawn)
    left = min(SMALL_WIDTH / 2, max(SMALL_LEFT, CHARACTER * longest + 12))
    across = Scale(0.0, max(value for _, _, value in drawn), left, SMALL_WIDTH - 80)
    parts = [element("text", measure(name).title, x=0, y=16, class_="title")]
    for index, (row, figure, value) in enumerate(drawn):
        top = 28 + SMALL_LINE * index
        shade = "row invalid" if row.invalid else "row"
        wide = max(across.at(value) - left, 1.0)
        parts.append(element("text", row.name, x=left - 8, y=top + 13, class_="label end"))
        parts.append(element("rect", x=left, y=top + 2, width=wide, height=SMALL_LINE - 5, class_=shade))
        parts.append(element("text", shown(value, figure.unit), x=left + wide + 6, y=top + 13, class_="tick"))
    return drawing(SMALL_WIDTH, 32 + SMALL_LINE * len(drawn), parts, says=measure(name).title)
