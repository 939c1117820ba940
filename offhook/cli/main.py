"""`offhook`: one command for every role, and `offhook up` for all of them at once.

Exit codes: 0 done, 1 the system failed, 2 you misused me (one line on standard error says what to do).
"""

import os
import sys
from typing import Annotated

import typer

# Before gRPC is loaded: its C core otherwise prints the addresses of workers to standard error.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from offhook import __version__
from offhook.cli import bench, doctor, keys, models, roles, size, up, worker

app = typer.Typer(
    name="offhook",
    help="A self-hosted real-time voice fabric: callers reach AI models by voice over one small UDP port.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(up.up)
app.command("relay")(roles.relay)
app.command("transceiver")(roles.transceiver)
app.add_typer(worker.app, name="worker")
app.command("doctor")(doctor.doctor)
app.command("size")(size.size)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(bench.app, name="bench")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"offhook {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Root of all commands."""


def main() -> int:
    """Runs the command line; the entry point of the `offhook` script."""
    app()
    return 0


if __name__ == "__main__":
    sys.exit(main())
