"""Draws a comparison as SVG: CPU per packet over the rate, one line per contender and number of flows.

No plotting library needed.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 820, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 210, 50, 60
COLOURS: Final = ("#1b6b50", "#b4532a", "#3b5bdb", "#7a4fa3", "#6b6b6b")
"""One for each contender."""
DASHES: Final = ("", "7 4", "2 3", "10 3 2 3")
"""One for each number of flows."""


def svg(summary: Sequence[Mapping[str, Any]], title: str) -> str:
    """The picture of `summary` rows as `bench.relay.compare` prints them.

    Args:
        summary: rows of `packets_per_s`, `flows` and `cpu_us_per_packet` by contender.
        title: printed on top.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not summary:
        raise ValueError("nothing was measured")
    rates = sorted({row["packets_per_s"] for row in summary})
    flows = sorted({row["flows"] for row in summary})
    contenders = list(summary[0]["cpu_us_per_packet"])
    highest = max(max(row["cpu_us_per_packet"].values()) for row in summary) * 1.1
    parts = [_frame(title), *_rate_axis(rates), *_cpu_axis(highest)]
    lines = [(contender, number) for contender in contenders for number in flows]
    for index, (contender, number) in enumerate(lines):
        points = [
            (_x(row["packets_per_s"], rates), _y(row["cpu_us_per_packet"][contender], highest))
            for row in summary
            if row["flows"] == number
        ]
        colour = COLOURS[contenders.index(contender) % len(COLOURS)]
        dash = DASHES[flows.index(number) % len(DASHES)]
        parts += _line(f"{contender}, {number:,} flows", sorted(points), colour, dash, index)
    return "\n".join([*parts, "</svg>", ""])


def _frame(title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<text x="{LEFT}" y="28" font-size="16" font-weight="bold">{escape(title)}</text>'
    )


def _x(rate: float, rates: Sequence[float]) -> float:
    low, high = math.log10(min(rates)), math.log10(max(rates))
    share = 0.5 if high == low else (math.log10(rate) - low) / (high - low)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(cpu_us: float, highest: float) -> float:
    return HEIGHT - BOTTOM - cpu_us / highest * (HEIGHT - TOP - BOTTOM)


def _rate_axis(rates: Sequence[float]) -> list[str]:
    base = HEIGHT - BOTTOM
    ticks = [
        f'<text x="{_x(rate, rates):.1f}" y="{base + 20}" text-anchor="middle">{rate / 1000:g} k</text>'
        for rate in rates
    ]
    caption = f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{base + 44}" text-anchor="middle">packets per second</text>'
    return [f'<line x1="{LEFT}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}" stroke="#444"/>', *ticks, caption]


def _cpu_axis(highest: float) -> list[str]:
    step = 10 ** math.floor(math.log10(highest))
    step = next(part for part in (step / 5, step / 2, step, step * 2) if highest / part <= 8)
    where = f"translate(20 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"
    parts = [f'<text transform="{where}" text-anchor="middle">CPU µs per packet and direction</text>']
    for count in range(int(highest / step) + 1):
        y = _y(count * step, highest)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{count * step:g}</text>')
    return parts


def _line(name: str, points: Sequence[tuple[float, float]], colour: str, dash: str, index: int) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    legend_x, legend_y = WIDTH - RIGHT + 16, TOP + 20 * index + 10
    stroke = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
    return [
        f'<polyline points="{path}" fill="none" {stroke}/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points),
        f'<line x1="{legend_x}" y1="{legend_y - 4}" x2="{legend_x + 24}" y2="{legend_y - 4}" {stroke}/>',
        f'<text x="{legend_x + 30}" y="{legend_y}" fill="{colour}">{escape(name)}</text>',
    ]
