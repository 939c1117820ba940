"""Results of benchmarks that compare points (relay, transceiver, worker link), made of what they print as JSON."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from bench.report.model import Machine, Result, Row, Run, Target, Verdict
from bench.report.quantities import Figure, Unit
from offhook import __version__


class _Column(NamedTuple):
    """A key of a summary, and what it is in a result."""

    key: str
    name: str
    unit: Unit


TRANSCEIVER: Final = (
    _Column("cpu_ms_per_session_second", "cpu_per_call", "ms/call-second"),
    _Column("round_trip_p50_us", "round_trip_p50", "us"),
    _Column("round_trip_p99_us", "round_trip_p99", "us"),
    _Column("lost_share", "lost_share", "share"),
    _Column("setup_cpu_ms", "cpu_per_setup", "ms"),
    _Column("setup_p99_us", "setup_p99", "us"),
    _Column("pss_kb_per_session", "memory", "KiB"),
)
RELAY: Final = (
    _Column("cpu_us_per_packet", "cpu_per_packet", "us"),
    _Column("added_us_p50", "added_p50", "us"),
    _Column("added_us_p99", "added_p99", "us"),
)
WORKER_LINK: Final = (
    _Column("cpu_us_per_frame", "cpu_per_frame", "us"),
    _Column("round_trip_ms_p99", "round_trip_p99", "ms"),
    _Column("worker_queue_delay_ms_p95", "queue_delay_p95", "ms"),
    _Column("returned_share", "returned_share", "share"),
)


def points_result(found: Mapping[str, Any], started_at: datetime) -> Result:
    """The result of a benchmark that has just ended.

    Args:
        found: what `compare` of `bench.relay`, `bench.transceiver` or `bench.worker_link` returned.
        started_at: when it began.
    """
    bench = str(found["bench"])
    rows = tuple(_ROWS[bench](found["summary"]))
    invalid = [row for row in rows if row.invalid is not None]
    reasons = (f"{len(invalid)} of {len(rows)} points are of a load that was at its limit",) if invalid else ()
    method = found.get("method", "")
    return Result(
        run=Run(
            bench=bench,
            version=__version__,
            target=Target(kind="local"),
            options=dict(found["settings"]),
            method=method if isinstance(method, str) else "; ".join(filter(None, method.values())),
            machine=Machine(**found["machine"]),
            versions=dict(_flat(found.get("versions", {}))),
            started_at=started_at,
            duration_s=(datetime.now(UTC) - started_at).total_seconds(),
        ),
        verdict=Verdict(valid=not reasons, invalid_because=reasons),
        rows=rows,
    )


def _transceiver(summary: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for each in summary:
        labels = {"contender": each["contender"], "sessions": each["sessions"]}
        invalid = None if each["valid"] else "the load client was at its limit"
        yield _row(f"{each['contender']}, {each['sessions']:,} sessions", labels, each, TRANSCEIVER, invalid)


def _relay(summary: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for each in summary:
        for contender in each["cpu_us_per_packet"]:
            values = {column.key: each[column.key][contender] for column in RELAY}
            labels = {"contender": contender, "packets_per_s": each["packets_per_s"], "flows": each["flows"]}
            name = f"{contender}, {each['packets_per_s']:,}/s, {each['flows']:,} flows"
            yield _row(name, labels, values, RELAY)


def _worker_link(summary: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for each in summary:
        ways = {way: values for way, values in each.items() if isinstance(values, Mapping)}
        for way, values in ways.items():
            labels = {"way": way, "sessions": each["sessions"]}
            yield _row(f"{way}, {each['sessions']:,} sessions", labels, values, WORKER_LINK)


_ROWS: Final = {"transceiver": _transceiver, "relay": _relay, "worker-link": _worker_link}


def _row(
    name: str,
    labels: dict[str, str | int | float],
    values: Mapping[str, Any],
    columns: Sequence[_Column],
    invalid: str | None = None,
) -> Row:
    figures = (Figure(name=column.name, unit=column.unit, value=_finite(values.get(column.key))) for column in columns)
    return Row(name=name, labels=labels, figures=tuple(figures), invalid=invalid)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _flat(versions: Mapping[str, Any], of: str = "") -> Iterator[tuple[str, str]]:
    for name, version in versions.items():
        if isinstance(version, Mapping):
            yield from _flat(version, f"{name}: ")
        else:
            yield f"{of}{name}", str(version)
