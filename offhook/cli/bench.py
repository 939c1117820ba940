"""`offhook bench`: measures parts of the fabric on this machine."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bench.machine import CannotMeasure
from bench.relay.compare import Wanted, compare
from bench.relay.plot import svg

CONTENDERS = ("baseline", "native", "python")
LONGEST_S = 10
MOST_FLOWS = 1_000_000

app = typer.Typer(help="Measure parts of the fabric on this machine.", no_args_is_help=True)


@app.command()
def relay(
    relays: Annotated[
        str, typer.Option(help="Contenders, separated by commas: baseline (plain C), native, python.")
    ] = "baseline,native",
    rates: Annotated[
        str, typer.Option(help="Packets per second, both directions together, separated by commas.")
    ] = "50000,100000,200000",
    flows: Annotated[
        str, typer.Option(help="Clients, each with an address of its own; several numbers separated by commas.")
    ] = "1000",
    dscp: Annotated[int, typer.Option(min=0, max=63, help="How all packets are marked; 46 is EF.")] = 0,
    size: Annotated[int, typer.Option(min=28, max=1400, help="Bytes of a client's datagram.")] = 172,
    wait_us: Annotated[int, typer.Option(min=0, max=10_000, help="How long packets may gather; 0: never.")] = 500,
    seconds: Annotated[int, typer.Option(min=1, max=LONGEST_S, help="Length of each point.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="How often each point is measured.")] = 2,
    loopback: Annotated[bool, typer.Option(help="Over lo of one host instead of a veth pair between two.")] = False,
    split: Annotated[
        bool, typer.Option(help="One more round, sampled by perf: user, system and softirq apart.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--json", help="Write the result here.", metavar="FILE")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the result here, as SVG.", metavar="FILE")] = None,
) -> None:
    """CPU, loss and latency of a relay's data path, beside the least that C can do, alternating in one run.

    Makes network namespaces of its own, so it needs root; no packet leaves them.
    """
    contenders = relays.split(",")
    if not set(contenders) <= set(CONTENDERS):
        raise _fail(2, f"--relays knows {', '.join(CONTENDERS)}")
    wanted_rates, wanted_flows = _numbers("--rates", rates), _numbers("--flows", flows)
    if max(wanted_flows) > MOST_FLOWS:
        raise _fail(2, f"--flows are at most {MOST_FLOWS:,}")
    console = Console(stderr=True, highlight=False)
    wanted = Wanted(contenders, wanted_rates, wanted_flows, size, dscp, wait_us, seconds, rounds, loopback, split)
    runs = len(contenders) * len(wanted_rates) * len(wanted_flows) * (rounds + split)
    console.print(f"About {runs * (seconds + 4)} s.")
    try:
        result = compare(wanted, lambda point: console.print(_progress(point), soft_wrap=True))
    except CannotMeasure as error:
        raise _fail(2, str(error)) from None
    text = json.dumps(result, indent=2)
    if output is None:
        typer.echo(text)
    else:
        output.write_text(text + "\n")
    if plot is not None:
        where = "lo" if loopback else "veth pair"
        plot.write_text(svg(result["summary"], f"CPU of a relay: {size} bytes, {where}"))


@app.command("relay-death")
def relay_death(
    calls: Annotated[int, typer.Option(min=1, max=5000, help="Paced calls over two relays.")] = 1000,
    engine: Annotated[str, typer.Option(help="native or python.")] = "native",
    output: Annotated[Path | None, typer.Option("--json", help="Write the result here.", metavar="FILE")] = None,
) -> None:
    """SIGKILL of one of two relays under paced calls: how long clients hear nothing, with flow sync and without.

    Makes network namespaces of its own, so it needs root; no packet leaves them.
    """
    if engine not in ("native", "python"):
        raise _fail(2, "--engine is native or python")
    # Here and not above: it speaks STUN, for which a relay image has no library.
    from bench.relay import death

    console = Console(stderr=True, highlight=False)
    wanted = death.Wanted(engine=engine, calls=calls)
    try:
        result = death.deaths(wanted, lambda one: console.print(_death(one), soft_wrap=True))
    except CannotMeasure as error:
        raise _fail(2, str(error)) from None
    text = json.dumps(result, indent=2)
    if output is None:
        typer.echo(text)
    else:
        output.write_text(text + "\n")


def _death(one: dict[str, Any]) -> str:
    silence = ", ".join(f"{name} {value:.0f} ms" for name, value in one["longest_silence_ms"].items())
    with_sync = "with flow sync   " if one["flow_sync"] else "without flow sync"
    return f"{with_sync}: longest silence {silence}; {one['packets_lost']} of {one['packets_sent']} packets lost"


def _progress(point: dict[str, Any]) -> str:
    return (
        f"{point['relay']:>9} at {point['offered_per_s']:>7}/s, {point['flows']:>7} flows: "
        f"{point['cpu_us_per_packet']:6.2f} µs per packet, lost {point['lost_share']:.4%}, adds "
        + ", ".join(f"{name} {value} µs" for name, value in point["added_us"].items())
    )


def _numbers(option: str, text: str) -> list[int]:
    """Numbers of at least 1, separated by commas."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise _fail(2, f"{option} are numbers separated by commas, such as 1000,50000") from None
    if min(numbers) < 1:
        raise _fail(2, f"{option} are at least 1")
    return numbers


def _fail(code: int, message: str) -> typer.Exit:
    typer.echo(f"offhook bench: {message}", err=True)
    return typer.Exit(code)
