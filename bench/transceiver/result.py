"""What was measured of transceivers and their like, as rows of a result."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bench.report.model import Row
from bench.report.points import Column, figures_of

CALLS: Final = (
    Column("cpu_per_call", "ms/call-second", ("cpu_ms_per_session_second",)),
    Column("round_trip_p50", "us", ("playing", "round_trip_us", "p50")),
    Column("round_trip_p99", "us", ("playing", "round_trip_us", "p99")),
    Column("lost_share", "share", ("lost_share",)),
    Column("cpu_per_setup", "ms", ("setup", "cpu_ms_per_call")),
    Column("setup_p99", "us", ("setup", "whole_us", "p99")),
    Column("memory", "KiB", ("memory_kb_per_session", "pss")),
    Column("loop_lag_p99", "ms", ("loop_lag_ms_at_most", "p99")),
)
STORM: Final = (
    Column("setup_p50", "us", ("storm", "arriving", "whole_us", "p50")),
    Column("setup_p99", "us", ("storm", "arriving", "whole_us", "p99")),
    Column("cpu_per_setup", "ms", ("storm", "cpu_ms_per_call")),
    Column("lost_share", "share", ("storm", "playing", "lost_share")),
)
ROUND_TRIPS: Final = (
    Column("round_trips_to_ice", "count", ("stun",)),
    Column("round_trips_to_dtls", "count", ("dtls",)),
    Column("round_trips_to_media", "count", ("media",)),
)
CHURN: Final = (
    Column("memory_held", "KiB", ("rss_kb",)),
    Column("open_files", "count", ("open_files",)),
    Column("threads", "count", ("threads",)),
    Column("tasks", "count", ("tasks",)),
    Column("failures", "calls", ("failed",)),
)
SOCKETS: Final = (
    Column("cpu_per_call", "ms/call-second", ("cpu_ms_per_session_second",)),
    Column("cpu_share_of_core", "share", ("cpu_share_of_core",)),
    Column("memory", "KiB", ("memory_kb_per_session", "pss")),
    Column("memory_at_end_per_call", "KiB", ("memory_kb_per_session_at_end", "pss")),
    Column("connect_p50", "ms", ("connect_ms", "p50")),
    Column("connect_p99", "ms", ("connect_ms", "p99")),
)
SPEAKERS: Final = (
    Column("first_audio_p50", "ms", ("first_audio_ms", "p50")),
    Column("first_audio_p99", "ms", ("first_audio_ms", "p99")),
    Column("heard_share", "share", ("heard_share",)),
    Column("errors", "count", ("errors",)),
    Column("sessions_open", "calls", ("sessions",)),
    Column("readers_cut", "count", ("readers", "cut")),
)


def rows_of_calls(points: Sequence[Mapping[str, Any]], trips: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """A row per contender and number of sessions, over the valid rounds, or over all if none was valid.

    Storms, and round trips of setup, are rows of their own.
    """
    storms = []
    for contender, sessions in dict.fromkeys((point["contender"], point["sessions"]) for point in points):
        same = [point for point in points if (point["contender"], point["sessions"]) == (contender, sessions)]
        valid = [point for point in same if point["invalid"] is None]
        name, labels = f"{contender}, {sessions:,} sessions", {"contender": contender, "sessions": sessions}
        figures = figures_of(valid or same, CALLS)
        yield Row(name=name, labels=labels, figures=figures, invalid=None if valid else same[0]["invalid"])
        if "storm" in same[0]:
            figures = figures_of(valid or same, STORM)
            storms.append(Row(name=f"{contender}, storm over {sessions:,}", labels=labels, figures=figures))
    yield from storms
    for contender, of_setup in trips.items():
        name = f"{contender}, {of_setup['round_trip_ms']:g} ms there and back"
        figures = figures_of([of_setup], ROUND_TRIPS)
        yield Row(name=name, labels={"contender": contender}, figures=figures)


def rows_of_churn(looks: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """A row per look at a server with no call open."""
    for look in looks:
        labels = {"calls": look["calls"]}
        yield Row(name=f"after {look['calls']:,} calls", labels=labels, figures=figures_of([look], CHURN))


def rows_of_sockets(found: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """A row per kind of session; what those who speak were answered, alone and beside slow readers, stands apart."""
    for kind, of_kind in found.items():
        labels = {"kind": kind, "sessions": of_kind["sessions"]}
        name, invalid = f"{of_kind['sessions']:,} {kind}", of_kind.get("invalid")
        yield Row(name=name, labels=labels, figures=figures_of([of_kind], SOCKETS), invalid=invalid)
    speaking = found.get("speaking")
    if speaking is None:
        return
    answered = {"answered": speaking["load"]}
    if (beside := speaking.get("beside_slow_readers")) is not None:
        answered[f"answered beside {beside['readers']['sessions']} slow readers"] = beside
    for name, heard in answered.items():
        labels = {"sessions": speaking["sessions"]}
        yield Row(name=f"{speaking['sessions']:,} {name}", labels=labels, figures=figures_of([heard], SPEAKERS))
