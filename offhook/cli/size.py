"""`offhook size`: how much of everything so many calls need."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from offhook.sizing.figures import Figure, load_figures
from offhook.sizing.measured import NotMeasured, costs
from offhook.sizing.plan import Media, Plan, TurnTaking, Wanted, plan

MIB = 1024 * 1024


def size(
    calls: Annotated[int, typer.Option(min=1, help="Calls at once, at the busiest time.")],
    media: Annotated[
        Media,
        typer.Option(help="samples: the model takes and gives PCM. passthrough: the client's own codec."),
    ] = Media.SAMPLES,
    turns: Annotated[
        TurnTaking, typer.Option(help="What finds turns: the models, loudness and pauses, or nothing (by hand).")
    ] = TurnTaking.MODELS,
    calls_per_worker: Annotated[
        int, typer.Option(min=1, help="Calls that one worker serves without falling behind: measure your model.")
    ] = 8,
    gpus_per_worker: Annotated[float, typer.Option(min=0, help="GPUs that one worker holds.")] = 1.0,
    kbps: Annotated[float, typer.Option(min=6, max=510, help="Bit rate of the codec, in kbit/s.")] = 32.0,
    speaking: Annotated[float, typer.Option(min=0, max=1, help="Share of a call in which the caller speaks.")] = 0.4,
    answering: Annotated[float, typer.Option(min=0, max=1, help="Share of a call in which the model speaks.")] = 0.4,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long a call lasts.")] = 5.0,
    headroom: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of every pod that is kept free, for peaks and other machines.")
    ] = 0.4,
    measured: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="What 'offhook bench transceiver --contenders native:echo --json FILE' or 'offhook bench relay --json "
            "FILE' has written on your machine: go by that. May be given for each.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Say how many pods, cores, bytes, bits and GPUs so many calls need, and by which measurements.

    Any one relay, transceiver or worker may fail: the others carry all calls. The figures were taken on another machine
    than yours: take them anew where it matters (--measured, docs/sizing.md).
    """
    wanted = Wanted(
        calls=calls,
        media=media,
        turns=turns,
        calls_per_worker=calls_per_worker,
        gpus_per_worker=gpus_per_worker,
        kbps=kbps,
        speaking=speaking,
        answering=answering,
        minutes=minutes,
        headroom=headroom,
    )
    made = plan(wanted, _figures(measured or []))
    if as_json:
        typer.echo(json.dumps(asdict(made), indent=2))
    else:
        _print(made)


def _figures(measured: list[Path]) -> Mapping[str, Figure]:
    """Those that are kept here, and before them those of the reader's own files."""
    results = []
    for path in measured:
        try:
            content = path.read_text(encoding="utf-8")
            costs(content)
        except (OSError, ValueError, NotMeasured) as error:
            typer.echo(f"offhook size: {path}: {error}", err=True)
            raise typer.Exit(2) from None
        results.append((str(path), content))
    return load_figures(results)


def _print(made: Plan) -> None:
    console = Console(highlight=False)
    columns = ("role", "pods", "calls a pod", "cores a pod", "memory a pod", "cores in use", "GPUs")
    table = Table(*columns, box=None, pad_edge=False, header_style="dim")
    for role in made.roles:
        table.add_row(
            role.role,
            str(role.pods),
            f"{role.calls_per_pod:,}",
            f"{role.cores_per_pod:.2f}" if role.cores_per_pod is not None else "the model's",
            f"{role.memory_bytes_per_pod / MIB:,.0f} MiB" if role.memory_bytes_per_pod is not None else "the model's",
            f"{role.cores:.1f}" if role.cores is not None else "the model's",
            f"{role.gpus:g}" if role.gpus else "",
        )
    console.print(table)
    console.print(
        f"\nNetwork, each way: {made.client_mbps:,.1f} Mbit/s with clients, {made.inside_mbps:,.1f} Mbit/s behind "
        f"the relays. Relays: {made.packets_per_second:,} packets/s, both ways together.\n"
    )
    console.print("Rests on:")
    for used in made.rests_on:
        console.print(f"  {used.text}: {used.value:g} {used.unit}\n    [dim]{used.measured}[/]", soft_wrap=True)
