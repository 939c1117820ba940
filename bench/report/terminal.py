"""The result in the terminal: the sentence, then the tables of the report."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from bench.report.headline import Headline, headline
from bench.report.model import Result
from bench.report.tables import Table, tables

COLOURS = {"passed": "green", "failed": "red", "measured": "cyan", "not valid": "yellow"}
LONGEST_WORD = 16
GAP = 2
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
        for part in _fitting(table, console.width):
            console.print()
            console.print(_rich(part, console.width))


def _fitting(table: Table, width: int) -> Iterator[Table]:
    """The table, or as many as it takes for each to be no wider: all have the first column."""
    widths = [_least_width(table, index) + GAP for index in range(len(table.columns))]
    chosen = [0]
    for index in range(1, len(widths)):
        if len(chosen) > 1 and sum(widths[each] for each in (*chosen, index)) > width:
            yield _with_columns(table, chosen)
            chosen = [0]
        chosen.append(index)
    yield _with_columns(table, chosen) if chosen != list(range(len(widths))) else table


def _least_width(table: Table, index: int) -> int:
    """Text is folded between words, figures are not; nor are words of a head, or short names of rows."""
    cells = [row[index] for row in table.rows]
    words = table.columns[index].split()
    if index in table.text_columns:
        for cell in cells:
            words += [cell] if not index and len(cell) <= LONGEST_WORD else cell.split()
        return min(max(map(len, words), default=0), LONGEST_WORD)
    return max(map(len, (*words, *cells)), default=0)


def _widths(table: Table, width: int) -> list[int]:
    """Of the columns: as wide as what is in them; where that is too much, text shares what figures leave."""
    columns = range(len(table.columns))
    whole = [max(map(len, (table.columns[index], *(row[index] for row in table.rows)))) for index in columns]
    gaps = GAP * (len(whole) - 1)
    if sum(whole) + gaps <= width:
        return whole
    least = [_least_width(table, index) for index in columns]
    wanted = [whole[index] - least[index] if index in table.text_columns else 0 for index in columns]
    spare = min(max(0, width - gaps - sum(least)), sum(wanted))
    return [low + (spare * more // sum(wanted) if more else 0) for low, more in zip(least, wanted, strict=True)]


def _with_columns(table: Table, chosen: Sequence[int]) -> Table:
    texts = [at for at, index in enumerate(chosen) if index in table.text_columns]
    rows = [[row[index] for index in chosen] for row in table.rows]
    return table._replace(columns=[table.columns[index] for index in chosen], rows=rows, text_columns=texts)


def _rich(table: Table, width: int) -> RichTable:
    widths = _widths(table, width)
    made = RichTable(
        title=Text(table.title, style="bold"),
        title_justify="left",
        box=None,
        show_header=any(table.columns),
        pad_edge=False,
        padding=(0, GAP, 0, 0),
    )
    for index, name in enumerate(table.columns):
        text = index in table.text_columns
        # Figures are not broken; a head above them is, where there is no room.
        head = name if text else "\n".join(wrap(name, widths[index]))
        made.add_column(
            Text(head, style="dim"),
            justify="left" if text else "right",
            no_wrap=not text,
            overflow="fold",
            width=widths[index],
        )
    for number, row in enumerate(table.rows):
        style = MARKS.get(table.marks[number], "") if table.marks else ""
        cells = [Text(cell) for cell in row]
        if style:
            cells[-1].stylize(style)
        made.add_row(*cells)
    return made
