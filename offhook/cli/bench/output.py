"""What all of `offhook bench` share: where results go, how they are told, and how a benchmark refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bench.client import LoadFailed
from bench.machine import CannotMeasure
from bench.report.model import Result
from bench.report.terminal import print_summary
from bench.report.write import CannotWrite, Files, write

JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the result here.", metavar="FILE")]
HtmlFile = Annotated[
    Path | None, typer.Option("--html", help="The same as a page with plots, to be shown to others.", metavar="FILE")
]
JunitFile = Annotated[
    Path | None, typer.Option("--junit", help="The same as test cases, for a CI gate.", metavar="FILE")
]


def told() -> Console:
    """Where progress and summaries go: standard error."""
    return Console(stderr=True, highlight=False)


def lines(console: Console, text: Callable[[Any], str]) -> Callable[[Any], None]:
    """Prints a line for each thing that was measured."""
    return lambda each: console.print(text(each), soft_wrap=True)


def measured(command: str, measure: Callable[[], Result], files: Files, console: Console) -> Result:
    """Measures on this machine, prints the summary, and writes the files.

    Raises:
        typer.Exit: 2 if this machine lacks something or a file cannot be written, 1 if the load ended before its time.
    """
    try:
        files.require()
        result = measure()
        print_summary(result, console)
        write(result, files)
    except (CannotMeasure, CannotWrite) as error:
        raise fail(command, 2, str(error)) from None
    except LoadFailed as error:
        raise fail(command, 1, f"the load client failed: {error}") from None
    return result


def require_valid(command: str, result: Result) -> None:
    """Checks that the figures are of what was measured.

    Raises:
        typer.Exit: 1 if they are of the load.
    """
    if not result.verdict.valid:
        raise fail(command, 1, f"the result is not valid: {result.verdict.invalid_because[0]}")


def numbers(command: str, option: str, text: str, *, rising: bool = False) -> list[int]:
    """Whole numbers of at least 1, separated by commas.

    Raises:
        typer.Exit: 2 if they are none.
    """
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1 or (rising and found != sorted(found)):
        order = " in rising order" if rising else ""
        raise fail(command, 2, f"{option} are whole numbers of at least 1{order}, separated by commas, such as 50,200")
    return found


def fail(command: str, code: int, message: str) -> typer.Exit:
    """Says on one line why a command ends; raise what it returns."""
    typer.echo(f"offhook bench {command}: {' '.join(message.split())}", err=True)
    return typer.Exit(code)
