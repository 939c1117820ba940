"""The result in the terminal: the sentence, then the tables of the report."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from bench.report.headline import Headline, headline
from bench.report.model import Result
from bench.report.tables import Table, tables

COLOURS = {"passed": "green", "failed": "red", "measured": "cyan", "not valid": "yellow"}
LONGEST_WORD = 16
MARKS = {"good": "green", "bad": "red"}


def print_summary(result: Result, console: Console) -> None:
    """Prints a result."""
    print_finding(headline(result), result.verdict.invalid_because[1:], tables(result), console)


def print_finding(said: Headline, also: Sequence[str], below: Sequence[Table], console: Console) -> None:
    """Prints a finding, more reasons for it, and the tables it is made of."""
    console.print()
    console.print(Text.assemble((f"{said.word.upper()}  ", f"bold {COLOURS[said.word]}"), said.sentence))
    for reason in also:
        console.print(Text(f"  also: {reason}"))
    console.print(Text(said.asked, style="dim"))
    for table in below:
        console.print()
        console.print(_rich(table))


def _rich(table: Table) -> RichTable:
    made = RichTable(
        title=Text(table.title, style="bold"),
        title_justify="left",
        box=None,
        show_header=any(table.columns),
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for index, name in enumerate(table.columns):
        text = index in table.text_columns
        # Text is folded between words, so that figures have room.
        words = [word for cell in (name, *(row[index] for row in table.rows)) for word in cell.split()]
        longest = min(max(map(len, words), default=0), LONGEST_WORD)
        made.add_column(
            Text(name, style="dim"),
            justify="left" if text else "right",
            no_wrap=not text,
            overflow="fold",
            min_width=longest if text else None,
        )
    for number, row in enumerate(table.rows):
        style = MARKS.get(table.marks[number], "") if table.marks else ""
        cells = [Text(cell) for cell in row]
        if style:
            cells[-1].stylize(style)
        made.add_row(*cells)
    return made
