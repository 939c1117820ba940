"""How a value is printed: the same in the terminal, in HTML and in JUnit, so that figures can be compared by eye."""

from typing import Final

from bench.report.quantities import Unit

NOTHING: Final = "\u2013"
"""A dash, where there is no value."""
_SUFFIX: Final[dict[Unit, str]] = {"mos": "", "count": "", "calls": "", "packets": "", "packets/s": "/s"}


def shown(value: float | None, unit: Unit) -> str:
    """A value with its unit, three significant digits: `4.21 ms`, `12.3 s`, `0.021 %`, `1,204`."""
    if value is None:
        return NOTHING
    if unit in ("ms", "us", "s"):
        return _time(value * {"ms": 1e-3, "us": 1e-6, "s": 1.0}[unit])
    if unit == "share":
        return f"{_digits(value * 100)} %"
    if unit == "KiB":
        return f"{_digits(value)} KiB" if abs(value) < 1024 else f"{_digits(value / 1024)} MiB"
    if unit == "ms/call-second":
        return f"{_digits(value)} ms/s"
    if unit == "times":
        return f"{_digits(value)}-fold"
    if unit == "mos":
        return f"{value:.2f}"
    return f"{_whole(value)}{_SUFFIX[unit]}"


def _time(seconds: float) -> str:
    size = abs(seconds)
    if size >= 120:
        return f"{_digits(seconds / 60)} min"
    if size >= 1:
        return f"{_digits(seconds)} s"
    if size >= 0.0001 or not size:
        return f"{_digits(seconds * 1e3)} ms"
    return f"{_digits(seconds * 1e6)} µs"


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else _digits(value)


def _digits(value: float) -> str:
    """Three significant digits, whole from 100 on, no trailing zeros of a fraction."""
    if not value:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    text = f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3g}"
    return f"{float(text):.10f}".rstrip("0").rstrip(".") if "e" in text else text.rstrip("0").rstrip(".")
