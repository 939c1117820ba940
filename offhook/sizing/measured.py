"""What a benchmark's result says of the cost of a call.

offhook bench transceiver --contenders native:echo --json FILE   CPU of a second and of a set-up, memory of a call
offhook bench relay --json FILE                                  CPU of a packet
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pydantic import ValidationError

from bench.report.model import Result, Row

CONTENDER: Final = "native:echo"
"""By way of a worker, which all models are."""
ENGINE: Final = "native"

Costs = dict[str, float]


class NotMeasured(Exception):
    """A file is no result of a benchmark that sizing knows; the message says what it should be."""


def costs(content: str) -> tuple[Costs, str]:
    """Figures by their names in figures.yaml, and what measured them.

    Args:
        content: what `offhook bench transceiver --json` or `offhook bench relay --json` has written.

    Raises:
        NotMeasured: it is something else, or has nothing that is valid.
    """
    try:
        result = Result.model_validate_json(content)
        found, how = _READERS[result.run.bench](result.rows)
    except (ValidationError, KeyError, ValueError):
        message = f"it is no result of 'offhook bench transceiver' with {CONTENDER}, nor of 'offhook bench relay'"
        raise NotMeasured(message) from None
    run, machine = result.run, result.run.machine
    where = f"{machine.cores} cores of {machine.cpu}, Linux {machine.kernel}"
    return found, f"{how}, {where}, offhook {run.version}, {run.started_at:%Y-%m-%d}"


def _transceiver(rows: Iterable[Row]) -> tuple[Costs, str]:
    """By the most sessions that were measured."""
    row = max(_of(CONTENDER, rows, "cpu_per_call"), key=lambda row: row.labels["sessions"])
    found = {
        "transceiver_echo_ms_per_second": round(_value(row, "cpu_per_call"), 2),
        "transceiver_setup_ms": round(_value(row, "cpu_per_setup"), 2),
        "transceiver_kib_per_call": round(_value(row, "memory")),
    }
    return found, f"offhook bench transceiver, {row.name}"


def _relay(rows: Iterable[Row]) -> tuple[Costs, str]:
    """By the rate at which a packet cost most."""
    row = max(_of(ENGINE, rows, "cpu_per_packet"), key=lambda row: _value(row, "cpu_per_packet"))
    return {"relay_us_per_packet": round(_value(row, "cpu_per_packet"), 2)}, f"offhook bench relay, {row.name}"


_READERS: Final[Mapping[str, Callable[[Iterable[Row]], tuple[Costs, str]]]] = {
    "transceiver": _transceiver,
    "relay": _relay,
}


def _of(contender: str, rows: Iterable[Row], figure: str) -> Iterable[Row]:
    """Valid rows of a contender that have the figure."""
    for row in rows:
        if row.labels.get("contender") == contender and row.invalid is None and figure in {f.name for f in row.figures}:
            yield row


def _value(row: Row, name: str) -> float:
    """Raises ValueError if it was not measured."""
    value = next((figure.value for figure in row.figures if figure.name == name), None)
    if value is None:
        raise ValueError(name)
    return value
