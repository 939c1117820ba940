"""`offhook doctor`: checks this host, and what to do about it."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from offhook.doctor.finding import Finding, Status, any_failed
from offhook.doctor.host import Port, check_host
from offhook.doctor.probe import Probe, Transport
from offhook.doctor.role import check_role
from offhook.doctor.settings import load_settings
from offhook.doctor.system import SystemProbe
from offhook.service.config import ConfigError
from wire.address import parse_address

COLOURS = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red"}
# Two relays, two transceivers, one worker: what `offhook up` starts.
PROCESSES_OF_UP = 5


def doctor(
    config: Annotated[
        Path | None,
        typer.Option(help="Check for the role with this configuration file, and whom it dials.", metavar="FILE"),
    ] = None,
    media: Annotated[str, typer.Option(help="Without --config: the media port.", metavar="IP:PORT")] = "127.0.0.1:3478",
    http: Annotated[str, typer.Option(help="Without --config: the API's port.", metavar="IP:PORT")] = "127.0.0.1:8080",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Check this host and say what to do: sockets, ports, clock, limits, and with --config whom the role has to reach.

    Exit code 0: nothing keeps it from working. 1: something does. 2: the command was used wrongly.
    """
    try:
        ports = [
            Port(Transport.UDP, parse_address(media), shared=True),
            Port(Transport.TCP, parse_address(http), shared=True),
        ]
    except ValueError as error:
        typer.echo(f"offhook doctor: {error}", err=True)
        raise typer.Exit(2) from None
    findings = _examine(SystemProbe(), config, ports)
    _print_json(findings) if as_json else _print_table(findings)
    raise typer.Exit(1 if any_failed(findings) else 0)


def _examine(probe: Probe, config: Path | None, ports: Sequence[Port]) -> list[Finding]:
    if config is None:
        return check_host(probe, ports, PROCESSES_OF_UP)
    if not config.exists():
        typer.echo(f"offhook doctor: {config}: no such file", err=True)
        raise typer.Exit(2)
    try:
        settings = load_settings(config, probe.cores())
    except ConfigError as error:
        wrong = Finding("configuration", Status.FAILED, str(error), "correct the file")
        return [*check_host(probe, (), 1), wrong]
    from offhook.doctor.reach import GrpcReach  # here: gRPC takes its time to load, and every command loads this module

    return [
        *check_host(probe, settings.ports, settings.busy),
        *asyncio.run(check_role(settings, probe, GrpcReach())),
    ]


def _print_json(findings: Sequence[Finding]) -> None:
    typer.echo(json.dumps({"failed": any_failed(findings), "findings": [each._asdict() for each in findings]}))


def _print_table(findings: Sequence[Finding]) -> None:
    table = Table("check", "status", "found", "what to do", box=None, pad_edge=False, header_style="dim")
    for finding in findings:
        status = f"[{COLOURS[finding.status]}]{finding.status}[/]"
        table.add_row(finding.check, status, _plain(finding.found), _plain(finding.advice))
    Console(highlight=False).print(table)


def _plain(text: str) -> str:
    """No markup: [::1]:3478 is an address."""
    return text.replace("[", r"\[")
