"""Draws a comparison of servers as SVG: for each number of sessions a bar per server, in four panels."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from bench.relay.plot import COLOURS

PANELS: Final = (
    ("CPU, ms per session-second", "cpu_ms_per_session_second", 1.0),
    ("round trip p99, ms", "round_trip_p99_us", 0.001),
    ("setup, ms CPU per call", "setup_cpu_ms", 1.0),
    ("memory, KB per session", "pss_kb_per_session", 1.0),
)
WIDTH, PANEL_HEIGHT, TOP, LEFT, GAP = 900, 150, 70, 60, 24
BAR_AREA: Final = PANEL_HEIGHT - 50


def svg(summary: Sequence[Mapping[str, Any]]) -> str:
    """The picture of `summary` rows as `bench.transceiver.compare` makes them.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not summary:
        raise ValueError("nothing was measured")
    contenders = list(dict.fromkeys(row["contender"] for row in summary))
    sessions = list(dict.fromkeys(row["sessions"] for row in summary))
    height = TOP + len(PANELS) * PANEL_HEIGHT + 10
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            'font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        '<text x="20" y="24" font-size="16" font-weight="bold">Cost of a call, by server and number of sessions</text>',
        *_legend(contenders),
    ]
    for index, (title, key, scale) in enumerate(PANELS):
        parts += _panel(TOP + index * PANEL_HEIGHT, title, _values(summary, key, scale), contenders, sessions)
    return "\n".join([*parts, "</svg>", ""])


def _values(summary: Sequence[Mapping[str, Any]], key: str, scale: float) -> dict[tuple[str, int], float]:
    return {(row["contender"], row["sessions"]): row[key] * scale for row in summary if row[key] is not None}


def _legend(contenders: Sequence[str]) -> list[str]:
    parts, x = [], 20
    for index, contender in enumerate(contenders):
        parts.append(f'<rect x="{x}" y="38" width="12" height="12" fill="{COLOURS[index % len(COLOURS)]}"/>')
        parts.append(f'<text x="{x + 17}" y="48">{escape(contender)}</text>')
        x += 40 + 7 * len(contender)
    return parts


def _panel(
    top: int, title: str, values: Mapping[tuple[str, int], float], contenders: Sequence[str], sessions: Sequence[int]
) -> list[str]:
    base = top + PANEL_HEIGHT - 28
    highest = max(values.values(), default=0.0) or 1.0
    group = (WIDTH - LEFT - 20) / len(sessions)
    bar = min(60.0, (group - GAP) / len(contenders))
    parts = [
        f'<text x="20" y="{top + 4}" font-weight="bold">{escape(title)}</text>',
        f'<line x1="{LEFT}" y1="{base}" x2="{WIDTH - 20}" y2="{base}" stroke="#444"/>',
    ]
    for place, number in enumerate(sessions):
        left = LEFT + place * group + GAP / 2
        middle = left + bar * len(contenders) / 2
        parts.append(f'<text x="{middle:.1f}" y="{base + 16}" text-anchor="middle">{number:,} sessions</text>')
        for index, contender in enumerate(contenders):
            value = values.get((contender, number))
            if value is None:
                continue
            tall = max(0.0, value) / highest * (BAR_AREA - 14)
            x, y, colour = left + index * bar, base - tall, COLOURS[index % len(COLOURS)]
            parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{bar * 0.9:.1f}" height="{tall:.1f}" fill="{colour}"/>')
            parts.append(
                f'<text x="{x + bar * 0.45:.1f}" y="{y - 3:.1f}" font-size="10" text-anchor="middle">{value:.3g}</text>'
            )
    return parts
