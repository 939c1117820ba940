"""`offhook bench relay`, `relay-death` and `relay-soak`: the data path of a relay on this machine."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.relay.compare import Wanted, compare
from bench.report.write import Files
from offhook.cli.bench.output import HtmlFile, JsonFile, JunitFile, fail, lines, measured, numbers, told

if TYPE_CHECKING:
    from bench.relay.soak import Sample

CONTENDERS = ("baseline", "native", "python")
ENGINES = ("native", "python")
LONGEST_S = 10
MOST_FLOWS = 1_000_000


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
    as_json: JsonFile = None,
    as_html: HtmlFile = None,
    as_junit: JunitFile = None,
) -> None:
    """CPU, loss and latency of a relay's data path, beside the least that C can do, alternating in one run.

    Makes network namespaces of its own, so it needs root; no packet leaves them.
    """
    contenders = relays.split(",")
    if not set(contenders) <= set(CONTENDERS):
        raise fail("relay", 2, f"--relays knows {', '.join(CONTENDERS)}")
    wanted_rates, wanted_flows = numbers("relay", "--rates", rates), numbers("relay", "--flows", flows)
    if max(wanted_flows) > MOST_FLOWS:
        raise fail("relay", 2, f"--flows are at most {MOST_FLOWS:,}")
    console = told()
    wanted = Wanted(contenders, wanted_rates, wanted_flows, size, dscp, wait_us, seconds, rounds, loopback, split)
    runs = len(contenders) * len(wanted_rates) * len(wanted_flows) * (rounds + split)
    console.print(f"About {runs * (seconds + 4)} s.")
    show = lines(console, _progress)
    measured("relay", lambda: compare(wanted, show), Files(as_json, as_html, as_junit), console)


def relay_death(
    calls: Annotated[int, typer.Option(min=1, max=5000, help="Paced calls over two relays.")] = 1000,
    engine: Annotated[str, typer.Option(help="native or python.")] = "native",
    as_json: JsonFile = None,
    as_html: HtmlFile = None,
    as_junit: JunitFile = None,
) -> None:
    """SIGKILL of one of two relays under paced calls: how long clients hear nothing, with flow sync and without.

    Makes network namespaces of its own, so it needs root; no packet leaves them.
    """
    if engine not in ENGINES:
        raise fail("relay-death", 2, "--engine is native or python")
    # Here and not above: it speaks STUN, for which a relay image has no library.
    from bench.relay import death

    console = told()
    wanted = death.Wanted(engine=engine, calls=calls)
    show = lines(console, _death)
    measured("relay-death", lambda: death.deaths(wanted, show), Files(as_json, as_html, as_junit), console)


def relay_soak(
    packets: Annotated[
        int, typer.Option(min=1000, help="In all, both directions together; the default is an hour of 100 calls.")
    ] = 36_000_000,
    rate: Annotated[int, typer.Option(min=100, help="Packets per second, both directions together.")] = 250_000,
    calls: Annotated[int, typer.Option(min=1, max=5000, help="Calls that go on at once.")] = 1000,
    moves: Annotated[int, typer.Option(min=0, max=1000, help="Calls per second that move to a new five-tuple.")] = 200,
    idle_s: Annotated[float, typer.Option(min=0.1, max=60, help="Life of a flow whose client has moved.")] = 10.0,
    engine: Annotated[str, typer.Option(help="native or python.")] = "native",
    as_json: JsonFile = None,
    as_html: HtmlFile = None,
    as_junit: JunitFile = None,
) -> None:
    """Whether a relay's memory stays flat under very many packets while its clients come and go.

    Makes network namespaces of its own, so it needs root; no packet leaves them.
    """
    if engine not in ENGINES:
        raise fail("relay-soak", 2, "--engine is native or python")
    # Here and not above: it speaks STUN, for which a relay image has no library.
    from bench.relay import soak

    console = told()
    wanted = soak.Wanted(engine, packets, rate, calls, moves, idle_s)
    console.print(f"About {wanted.seconds + 4:.0f} s.")
    show = lines(console, _sample)
    measured("relay-soak", lambda: soak.soak(wanted, show), Files(as_json, as_html, as_junit), console)


def _progress(point: dict[str, Any]) -> str:
    return (
        f"{point['relay']:>9} at {point['offered_per_s']:>7}/s, {point['flows']:>7} flows: "
        f"{point['cpu_us_per_packet']:6.2f} µs per packet, lost {point['lost_share']:.4%}, adds "
        + ", ".join(f"{name} {value} µs" for name, value in point["added_us"].items())
        + f"; {point['relay_rss_kb'] / 1024:.0f} MiB resident"
    )


def _sample(sample: "Sample") -> str:
    return f"{sample.at_s:7.1f} s: {sample.rss_kb / 1024:.2f} MiB"


def _death(one: dict[str, Any]) -> str:
    silence = ", ".join(f"{name} {value:.0f} ms" for name, value in one["longest_silence_ms"].items())
    with_sync = "with flow sync   " if one["flow_sync"] else "without flow sync"
    return f"{with_sync}: longest silence {silence}; {one['packets_lost']} of {one['packets_sent']} packets lost"
