"""What plots are drawn with: SVG elements whose looks the page's style sheet decides, and scales with round ticks."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

TICKS: Final = 4


class Scale(NamedTuple):
    """Values from `low` to `high` on pixels from `begin` to `end`."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        """Where a value is drawn; what is out of bounds is drawn at the bound."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.begin + min(max(share, 0.0), 1.0) * (self.end - self.begin)


def ticks(high: float, wanted: int = TICKS) -> list[float]:
    """Round values from 0 to at least `high`, about `wanted` steps apart."""
    if high <= 0:
        return [0.0, 1.0]
    rough = high / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return [step * index for index in range(math.ceil(high / step - 1e-9) + 1)]


def element(name: str, text: str | None = None, **attributes: str | float) -> str:
    """One element. `class_` is written `class`, other underscores as hyphens; text is escaped, numbers are rounded."""
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_written(value))}" for key, value in attributes.items()
    )
    return f"<{name}{given}/>" if text is None else f"<{name}{given}>{escape(text)}</{name}>"


def path(points: Sequence[tuple[float, float]]) -> str:
    """The `d` of a line through points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def drawing(width: float, height: float, parts: Sequence[str], *, says: str) -> str:
    """A whole picture; `says` is read out to who cannot see it."""
    size = f'viewBox="0 0 {width:g} {height:g}"'
    label = f'role="img" aria-label={quoteattr(says)}'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label}>{"".join(parts)}</svg>'


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".rstrip("0").rstrip(".") or "0"
