"""`offhook models`: the neural networks that turn taking and the voice agent need."""

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from offhook.models.fetch import FetchFailed, fetch, wheels_of
from offhook.models.manifest import MODEL_FILES, Wheel
from offhook.models.store import DIRECTORY_VARIABLE, FileState, glance, models_directory, unsound, verify

COLOURS = {FileState.PRESENT: "green", FileState.MISSING: "yellow", FileState.DAMAGED: "bold red"}
TABLE_WIDTH = 118

app = typer.Typer(
    help=f"Fetch and check the model files of turn taking and of the voice agent (${DIRECTORY_VARIABLE} says where).",
    no_args_is_help=True,
)


@app.command("fetch")
def fetch_models(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing unless something fails.")] = False,
) -> None:
    """Fetch what is missing or damaged, out of published packages, each checked against its pinned hash.

    Uses pip with its configuration (index, proxy, credentials). Exit code 0: everything is there. 1: something is not.
    """
    directory = models_directory()
    wanted = wheels_of(unsound(directory))
    try:
        if quiet or not wanted:
            fetch(directory, lambda _wheel, _size: None)
        elif sys.stderr.isatty():
            _fetch_with_bar(wanted)
        else:
            _fetch_with_lines(wanted)
    except FetchFailed as error:
        typer.echo(f"offhook models: {error}", err=True)
        raise typer.Exit(1) from None
    if not quiet:
        typer.echo(f"{len(MODEL_FILES)} model files in {directory}", err=True)


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """List the model files: what for, whence, under which licence, and whether they are here."""
    directory = models_directory()
    states = {file.name: glance(directory, file) for file in MODEL_FILES}
    if as_json:
        files = [
            {
                "name": file.name,
                "state": states[file.name],
                "part": file.part,
                "purpose": file.purpose,
                "package": file.wheel.package,
                "version": file.wheel.version,
                "licence": file.wheel.licence,
                "size_bytes": file.size_bytes,
                "sha256": file.sha256,
            }
            for file in MODEL_FILES
        ]
        typer.echo(json.dumps({"directory": str(directory), "files": files}))
        return
    table = Table("file", "state", "for", "package", "licence", "size", box=None, pad_edge=False, header_style="dim")
    for file in MODEL_FILES:
        state = states[file.name]
        package = f"{file.wheel.package} {file.wheel.version}"
        size = f"{file.size_bytes / 1e6:.1f} MB"
        table.add_row(file.name, f"[{COLOURS[state]}]{state}[/]", file.part, package, file.wheel.licence, size)
    # Names are to be copied: a narrow terminal folds the lines rather than the columns.
    console = Console(highlight=False, width=max(Console().width, TABLE_WIDTH))
    console.print(table)
    console.print(f"\nin {directory}", style="dim", soft_wrap=True)


@app.command("verify")
def verify_models() -> None:
    """Check every model file against its pinned hash. Exit code 0: all are sound. 1: one is missing or damaged."""
    directory = models_directory()
    faults = {file.name: verify(directory, file) for file in MODEL_FILES}
    for name, state in faults.items():
        if state is not FileState.PRESENT:
            typer.echo(f"{name}: {state}; 'offhook models fetch' fetches it", err=True)
    if set(faults.values()) != {FileState.PRESENT}:
        raise typer.Exit(1)
    typer.echo(f"{len(faults)} model files in {directory} are as pinned")


def _fetch_with_bar(wanted: list[Wheel]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {
            wheel.package: bars.add_task(f"{wheel.package} {wheel.version}", total=wheel.size_bytes) for wheel in wanted
        }
        fetch(models_directory(), lambda wheel, size: bars.update(tasks[wheel.package], completed=size))


def _fetch_with_lines(wanted: list[Wheel]) -> None:
    total_mb = sum(wheel.size_bytes for wheel in wanted) / 1e6
    typer.echo(f"fetching {total_mb:.0f} MB: {', '.join(wheel.package for wheel in wanted)}", err=True)
    fetch(models_directory(), lambda _wheel, _size: None)
