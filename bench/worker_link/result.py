"""What was measured of the link to workers, as rows of a result."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bench.report.model import Row
from bench.report.points import Column, figure, figures_of
from bench.report.quantities import Figure
from bench.worker_link.batching import WAYS

FRAMES: Final = (
    Column("cpu_per_frame", "us", ("cpu_us_per_frame", "both")),
    Column("cpu_per_frame_transceiver", "us", ("cpu_us_per_frame", "transceiver")),
    Column("cpu_per_frame_worker", "us", ("cpu_us_per_frame", "worker")),
    Column("frames_per_message", "count", ("frames_per_message", "to_worker")),
    Column("round_trip_p50", "ms", ("round_trip_ms", "p50")),
    Column("round_trip_p99", "ms", ("round_trip_ms", "p99")),
    Column("queue_delay_p95", "ms", ("worker_queue_delay_ms_p95",)),
    Column("returned_share", "share", ("returned_share",)),
)


def rows(points: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """A row per way and number of sessions."""
    for sessions in dict.fromkeys(point["sessions"] for point in points):
        for way in WAYS:
            rounds = _rounds(points, sessions, way)
            labels = {"way": way, "sessions": sessions}
            yield Row(name=f"{way}, {sessions:,} sessions", labels=labels, figures=figures_of(rounds, FRAMES))


def savings(points: Sequence[Mapping[str, Any]]) -> Iterator[Figure]:
    """By how much batching makes a frame cheaper, round by round, for each number of sessions."""
    for sessions in dict.fromkeys(point["sessions"] for point in points):
        pairs = zip(*(_rounds(points, sessions, way) for way in WAYS), strict=True)
        saved = [
            one_each["cpu_us_per_frame"]["both"] / batched["cpu_us_per_frame"]["both"] for batched, one_each in pairs
        ]
        yield figure(f"batching_saves_at_{sessions}_sessions", "times", saved)


def _rounds(points: Sequence[Mapping[str, Any]], sessions: int, way: str) -> list[Mapping[str, Any]]:
    return [point for point in points if (point["sessions"], point["way"]) == (sessions, way)]
