"""`offhook bench compare`: what changed between two results, and whether it is noise."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from offhook.cli.bench.output import HtmlFile, JsonFile, JunitFile, fail

if TYPE_CHECKING:
    from bench.report.model import Result

BEFORE, AFTER = "A.json[,A2.json…]", "B.json[,B2.json…]"


def compare(
    before: Annotated[str, typer.Argument(help="Results of the one side, separated by commas.", metavar=BEFORE)],
    after: Annotated[str, typer.Argument(help="Results of the other side.", metavar=AFTER)],
    threshold: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="A change by less does not matter, however sure; in percent.")
    ] = 5.0,
    as_json: JsonFile = None,
    as_html: HtmlFile = None,
    as_junit: JunitFile = None,
) -> None:
    """What changed between two results of `offhook bench`, and whether it is more than noise.

    One run of each side tells how much calls and packets differ within a run. How much the machine differs from one run
    to the next only several runs of each side tell: seven and seven are enough for every figure.

    Exit codes: 0 nothing is worse; 1 something is; 2 the files cannot be compared.
    """
    # Here and not above: a relay image has no histograms.
    from bench.report.compare import CannotCompare
    from bench.report.compare import compare as compared
    from bench.report.comparison import print_comparison, write_comparison
    from bench.report.write import CannotWrite, Files

    files = Files(as_json, as_html, as_junit)
    try:
        files.require()
        comparison = compared(_results(before), _results(after), threshold=threshold / 100)
        print_comparison(comparison, Console(highlight=False))
        write_comparison(comparison, files)
    except (CannotCompare, CannotWrite) as error:
        raise _fail(str(error)) from None
    if comparison.worse:
        raise typer.Exit(1)


def _results(names: str) -> "list[Result]":
    return [_result(Path(name)) for name in names.split(",") if name]


def _result(path: Path) -> "Result":
    from pydantic import ValidationError

    from bench.report.model import Result

    try:
        return Result.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _fail(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, ValidationError):
        raise _fail(f"{path} is no result that 'offhook bench … --json' of this version has written") from None


def _fail(message: str) -> typer.Exit:
    return fail("compare", 2, message)
