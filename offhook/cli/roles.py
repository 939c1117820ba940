"""`offhook relay|transceiver|worker --config FILE`: one role, as production runs it."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from offhook.service.config import Config, ConfigError, load_config

ConfigFile = Annotated[Path, typer.Option("--config", help="Configuration file (YAML).", metavar="FILE")]
ReadyFile = Annotated[
    Path | None,
    typer.Option("--ready-file", help="Write this JSON file, with the addresses in use, once ready.", metavar="FILE"),
]
_C = TypeVar("_C", bound=Config)


def relay(config: ConfigFile, ready_file: ReadyFile = None) -> None:
    """Run a relay: steers datagrams between clients and transceivers, by the ICE ufrag."""
    from relay.config import RelayConfig
    from relay.service import run

    _run(config, RelayConfig, lambda settings: run(settings, ready_file))


def transceiver(config: ConfigFile, ready_file: ReadyFile = None) -> None:
    """Run a transceiver: owns the calls, their media and the API."""
    from transceiver.config import TransceiverConfig
    from transceiver.service import run

    _run(config, TransceiverConfig, lambda settings: run(settings, ready_file))


def worker(config: ConfigFile, ready_file: ReadyFile = None) -> None:
    """Run a reference worker: the model at the end of the line."""
    from offhook.worker_role import WorkerConfig, run

    _run(config, WorkerConfig, lambda settings: run(settings, ready_file))


def _run(path: Path, model: type[_C], run: Callable[[_C], int]) -> None:
    # Imports are inside the commands: a relay image has none of the transceiver's libraries.
    _die_with_supervisor()
    try:
        code = run(load_config(path, model))
    except ConfigError as error:
        typer.echo(f"offhook: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        typer.echo(f"offhook: {error}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(code)


def _die_with_supervisor() -> None:
    """Under `offhook up`, asks the kernel for SIGTERM when the supervisor dies, however it dies."""
    parent = os.environ.get("OFFHOOK_PARENT_PID")
    if parent is None or not sys.platform.startswith("linux"):
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        raise typer.Exit(1)  # it died before we asked
