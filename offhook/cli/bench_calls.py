"""`offhook bench calls`: calls to any endpoint that takes an SDP offer, measured from the caller's side."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import typer
from rich.console import Console

from bench.calls.play import Wanted, play
from bench.client import LoadFailed, build
from bench.machine import CannotMeasure

MOST_CALLS = 2000
LONGEST_S = 3600


def calls(
    target: Annotated[
        str,
        typer.Option(
            help="Where offers are posted: http://HOST/v1/realtime/calls?model=MODEL of this fabric (http://HOST alone "
            "means that, with the default model), or a WHIP endpoint."
        ),
    ],
    key: Annotated[str | None, typer.Option(help="Bearer key.", envvar="OFFHOOK_API_KEY")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="The first line of this file is the key.", metavar="FILE")
    ] = None,
    number: Annotated[int, typer.Option("--calls", min=1, max=MOST_CALLS, help="Calls at once.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, max=500, help="Calls opened per second.")] = 10,
    duration: Annotated[float, typer.Option(min=0.5, max=LONGEST_S, help="Seconds that all of them play.")] = 5,
    first_address: Annotated[
        str | None,
        typer.Option(
            help="Callers have an address of this machine each: this one, and those that follow it. Needed for several "
            "calls to another machine."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--json", help="Write the report here.", metavar="FILE")] = None,
) -> None:
    """Place real WebRTC calls, send voice, and say how they were set up and what came back.

    Exit codes: 0 every call was up and heard something; 1 some were not; 2 wrong options, or the load client is
    missing.
    """
    wanted = Wanted(_url(target), _key(key, key_file), _end(target), number, rate, duration, first_address)
    console = Console(stderr=True, highlight=False)
    try:
        build()
        report = play(wanted, console.print)
    except CannotMeasure as error:
        raise _fail(2, str(error)) from None
    except LoadFailed as error:
        raise _fail(1, f"the load client failed: {error}") from None
    if output is not None:
        output.write_text(json.dumps(report, indent=2) + "\n")
    _print(console, report)
    if report["calls_up"] < number or not report["packets"]["received"]:
        raise typer.Exit(1)


def _url(target: str) -> str:
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname:
        raise _fail(2, "--target is a URL such as http://127.0.0.1:8080")
    return target if parts.path.strip("/") else f"http://{parts.netloc}/v1/realtime/calls"


def _end(target: str) -> Literal["hangup", "delete"]:
    return "delete" if "whip" in urlsplit(target).path else "hangup"


def _key(key: str | None, file: Path | None) -> str | None:
    if file is None:
        return key
    try:
        # `KEY` or `TENANT KEY`.
        return file.read_text(encoding="utf-8").splitlines()[0].split()[-1]
    except (OSError, IndexError, UnicodeDecodeError):
        raise _fail(2, f"--key-file: no key can be read from {file}") from None


def _print(console: Console, report: dict[str, Any]) -> None:
    for reason, seen in report["failures"].items():
        console.print(f"{seen['count']} failed: {reason} ({seen['first']})", markup=False, soft_wrap=True)
    console.print(f"{report['calls_up']} of {report['wanted']['calls']} calls were up")
    if not report["calls_up"]:
        return
    for stage, seen in report["setup_us"].items():
        console.print(f"  {stage:<12} p50 {seen['p50'] / 1000:7.1f} ms   p99 {seen['p99'] / 1000:7.1f} ms")
    packets, trip, gap = report["packets"], report["round_trip_us"], report["longest_silence_us"]
    console.print(f"  {packets['sent']:,} packets sent, {packets['received']:,} back, lost {report['lost_share']:.3%}")
    if trip["count"]:
        console.print(f"  round trip   p50 {trip['p50'] / 1000:7.1f} ms   p99 {trip['p99'] / 1000:7.1f} ms")
    if gap["count"]:
        console.print(f"  longest gap  p50 {gap['p50'] / 1000:7.1f} ms   p99 {gap['p99'] / 1000:7.1f} ms")


def _fail(code: int, message: str) -> typer.Exit:
    typer.echo(f"offhook bench calls: {message}", err=True)
    return typer.Exit(code)
