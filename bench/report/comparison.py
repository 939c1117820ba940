"""A comparison as people and programs read it: a sentence and a table, in the terminal, as HTML, JSON and JUnit."""

from typing import Final

from rich.console import Console

from bench.report.compare import Change, Comparison, Outcome
from bench.report.headline import Headline
from bench.report.html import page, table_section
from bench.report.junit import Case, document
from bench.report.model import Run
from bench.report.shown import shown
from bench.report.tables import Table
from bench.report.terminal import print_finding
from bench.report.write import Files, as_json, write_forms

MARKS: Final[dict[Outcome, str]] = {"worse": "bad", "better": "good"}
NAME: Final = "offhook bench compare"


def finding(comparison: Comparison) -> Headline:
    """What it comes down to."""
    worse = comparison.worse
    better = [change for change in comparison.changes if change.outcome == "better"]
    unknown = sum(change.outcome == "unknown" for change in comparison.changes)
    parts = []
    if worse:
        parts.append(_first(worse, "worse"))
    if better:
        parts.append(_first(better, "better"))
    if not parts:
        parts.append("nothing changed that is more than noise")
    if unknown:
        parts.append(f"of {unknown} more, too little was measured to tell change from noise")
    sentence = "; ".join(parts) + "."
    sides = f"{_side(comparison.before)} and {_side(comparison.after)}"
    return Headline("failed" if worse else "passed", sentence[0].upper() + sentence[1:], f"{sides}.")


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Prints it."""
    print_finding(finding(comparison), comparison.differences, [_table(comparison)], console)


def write_comparison(comparison: Comparison, files: Files) -> None:
    """Writes the files that were asked for.

    Raises:
        CannotWrite: one cannot be.
    """
    forms = {
        "json": lambda: as_json(comparison),
        "html": lambda: _html(comparison),
        "junit": lambda: document(NAME, [_case(each) for each in comparison.changes], "", comparison.after[0]),
    }
    write_forms(forms, files)


def _first(changes: list[Change], outcome: str) -> str:
    first = changes[0]
    more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
    values = f"{shown(first.before, first.unit)} before, {shown(first.after, first.unit)} after"
    return f"{first.title} is {outcome}: {values}{more}"


def _side(runs: tuple[Run, ...]) -> str:
    run = runs[0]
    count = "one run" if len(runs) == 1 else f"{len(runs)} runs"
    return f"{count} of 'offhook bench {run.bench}' from {run.started_at:%d %B %Y, %H:%M}"


def _table(comparison: Comparison) -> Table:
    rows = [
        [
            change.title,
            shown(change.before, change.unit),
            shown(change.after, change.unit),
            "" if change.relative is None else f"{change.relative:+.1%}",
            change.why,
            change.outcome,
        ]
        for change in comparison.changes
    ]
    return Table(
        "changes",
        "What changed",
        ("", "Before", "After", "Change", "Found by", ""),
        rows,
        explained=f"same: within noise, or by less than {comparison.threshold:.0%}; unknown: too little was measured "
        "to tell. Packets count as one independent value per call and second. How much a machine differs from run "
        "to run, only several runs of each side can say.",
        text_columns=(0, 4, 5),
        marks=[MARKS.get(change.outcome, "") for change in comparison.changes],
    )


def _html(comparison: Comparison) -> str:
    beside = [[each] for each in comparison.differences]
    sections = [table_section(_table(comparison))]
    if beside:
        sections.append(table_section(Table("differences", "What else is different", ("",), beside)))
    return page(finding(comparison), NAME, "", sections)


def _case(change: Change) -> Case:
    found = f"{shown(change.before, change.unit)} before, {shown(change.after, change.unit)} after: {change.outcome}"
    return Case(change.name, f"{found} ({change.why})", found if change.outcome == "worse" else None)
