"""How far a run of calls is: one line that changes on a terminal, single lines elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.calls.plan import Plan
from bench.calls.run import Progress as Seen
from bench.report.histograms import distribution, merged
from bench.report.model import Result


def step_told(calls: int, found: Result) -> str:
    """How a step of a search for capacity went, in a line."""
    verdict = found.verdict
    broken = ", ".join(slo.name for slo in verdict.slos if not slo.met)
    how = "every bound kept" if verdict.met else f"broke {broken}" if verdict.valid else verdict.invalid_because[0]
    return f"{calls} calls: {how}"


class Display:
    """Use it as a context manager; `show` takes each second."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._console = console
        self._plan = plan
        self._said = False
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[seen]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("warming up", total=plan.measure_to_s, seen="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, seen: Seen) -> None:
        """Shows where the run is."""
        assert seen.second is not None
        counts = seen.second.counts
        trip = distribution("", "ms", merged(seen.second.round_trip_us), scale=0.001)
        parts = [f"{counts['active']} calls up", f"{counts['failures']} failed"]
        if trip.p99 is not None:
            parts.append(f"round trip {trip.p50:.0f}/{trip.p99:.0f} ms")
        self._progress.update(self._task, description=seen.stage, completed=seen.elapsed_s, seen=", ".join(parts))
        if not self._console.is_terminal and not self._said and seen.stage == "measuring":
            self._said = True
            self._console.print(f"{counts['active']} calls are up")
