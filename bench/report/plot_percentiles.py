"""A distribution by percentile: how long the unlucky wait. The axis grows towards the rare ones: 90, 99, 99.9 %."""

from bench.report.histograms import decoded
from bench.report.measures import measure
from bench.report.quantities import Distribution
from bench.report.shown import shown
from bench.report.svg import Scale, drawing, element, path, ticks

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480.0, 230.0, 70.0, 16.0, 34.0, 30.0
STEPS_PER_NINE = 24
MOST_NINES = 4


def percentile_plot(distribution: Distribution) -> str | None:
    """The picture; None of a distribution without histogram."""
    if distribution.histogram is None or not distribution.count:
        return None
    histogram, scale = decoded(distribution.histogram.base64), distribution.histogram.scale
    # Of n values, the rarest percentile that says anything is that of one value.
    nines = next((number for number in range(1, MOST_NINES) if distribution.count <= 10**number), MOST_NINES)
    shares = [1 - 10 ** -(step / STEPS_PER_NINE) for step in range(nines * STEPS_PER_NINE + 1)]
    values = [histogram.get_value_at_percentile(100 * share) * scale for share in shares]
    marks = ticks(max(values))
    across = Scale(0.0, float(nines), LEFT, WIDTH - RIGHT)
    up = Scale(0.0, marks[-1], HEIGHT - BOTTOM, TOP)
    parts = [element("text", measure(distribution.name).title, x=LEFT, y=16, class_="title")]
    for mark in marks:
        y = up.at(mark)
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid" if mark else "axis"))
        text = shown(mark, distribution.unit) if mark else "0"
        parts.append(element("text", text, x=LEFT - 8, y=y + 4, class_="tick end"))
    for number, name in enumerate(("fastest", "90 %", "99 %", "99.9 %", "99.99 %")[: nines + 1]):
        x = across.at(number)
        if number:
            parts.append(element("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_="grid"))
        side = "start" if not number else "end" if number == nines else "middle"
        parts.append(element("text", name, x=x, y=HEIGHT - 10, class_=f"tick {side}"))
    points = [
        (across.at(step / STEPS_PER_NINE), up.at(value)) for step, value in zip(range(len(values)), values, strict=True)
    ]
    parts.append(element("path", d=path(points), class_="line line1"))
    return drawing(WIDTH, HEIGHT, parts, says=f"{measure(distribution.name).title} by percentile")
