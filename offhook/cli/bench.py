"""`offhook bench`: measures parts of the fabric on this machine."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
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
    html: Annotated[Path | None, typer.Option("--html", help="Write it as a page.", metavar="FILE")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write it for a CI gate.", metavar="FILE")] = None,
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
    began = datetime.now(UTC)
    try:
        result = compare(wanted, lambda point: console.print(_progress(point), soft_wrap=True))
    except CannotMeasure as error:
        raise _fail(2, str(error)) from None
    _write(result, output)
    _report(result, began, html, junit)
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
    _write(result, output)


@app.command("relay-soak")
def relay_soak(
    packets: Annotated[
        int, typer.Option(min=1000, help="In all, both directions together; the default is an hour of 100 calls.")
    ] = 36_000_000,
    rate: Annotated[int, typer.Option(min=100, help="Packets per second, both directions together.")] = 250_000,
    calls: Annotated[int, typer.Option(min=1, max=5000, help="Calls that go on at once.")] = 1000,
    moves: Annotated[int, typer.Option(min=0, max=1000, help="Calls per second that move to a new five-tuple.")] = 200,
    idle_s: Annotated[float, typer.Option(min=0.1, max=60, help="Life of a flow whose client has moved.")] = 10.0,
    engine: Annotated[str, typer.Option(help="native or python.")] = "native",
    output: Annotated[Path | None, typer.Option("--json", help="Write the result here.", metavar="FILE")] = None,
) -> None:
    """Whether a relay's memory stays flat under very many packets while its clients come and go.

    Makes network namespaces of its own, so it needs root; no packet leaves them.
    """
    if engine not in ("native", "python"):
        raise _fail(2, "--engine is native or python")
    # Here and not above: it speaks STUN, for which a relay image has no library.
    from bench.relay import soak

    console = Console(stderr=True, highlight=False)
    wanted = soak.Wanted(engine, packets, rate, calls, moves, idle_s)
    console.print(f"About {wanted.seconds + 4:.0f} s.")
    try:
        result = soak.soak(
            wanted, lambda sample: console.print(f"{sample.at_s:7.1f} s: {sample.rss_kb / 1024:.2f} MiB")
        )
    except (CannotMeasure, ValueError) as error:
        raise _fail(2, str(error)) from None
    console.print(
        f"{result['packets']:,} packets, lost {result['lost_share']:.4%}; {result['five_tuples']:,} five-tuples, "
        f"{result['flows_at_end']:,} held at the end; steady memory grew by {result['steady_growth_kb']} KiB"
    )
    _write(result, output)


@app.command()
def transceiver(
    contenders: Annotated[
        str,
        typer.Option(
            help="Servers, separated by commas: PORT:MODEL of this checkout's transceiver (ports native and python; "
            "models loopback, echo behind a worker, pcm behind a worker that wants PCM), str0m, aiortc."
        ),
    ] = "native:loopback,python:loopback,native:echo,str0m,aiortc",
    sessions: Annotated[
        str, typer.Option(help="Numbers of sessions, separated by commas, in rising order.")
    ] = "50,200",
    seconds: Annotated[float, typer.Option(min=1, max=60, help="Length of the steady stretch.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="How often each point is measured.")] = 1,
    rate: Annotated[float, typer.Option(min=1, max=500, help="Calls per second while sessions are set up.")] = 50,
    storm: Annotated[int, typer.Option(min=0, max=2000, help="Calls that arrive in a storm at 100/s; 0: none.")] = 200,
    storm_at: Annotated[int, typer.Option(min=1, help="The number of sessions that play during the storm.")] = 200,
    delay_ms: Annotated[
        float, typer.Option(min=0, max=500, help="Each way; round trips of setup are counted behind it; 0: not.")
    ] = 50,
    output: Annotated[Path | None, typer.Option("--json", help="Write the result here.", metavar="FILE")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write it as a page.", metavar="FILE")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write it for a CI gate.", metavar="FILE")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the result here, as SVG.", metavar="FILE")] = None,
) -> None:
    """What a call costs a transceiver, in CPU, memory and delay, beside other servers, alternating in one run.

    Real WebRTC callers (ICE, DTLS, SRTP, RTCP) send Opus every 20 ms and measure what comes back. The server has core
    0, the callers core 1; all traffic is on the loopback interface. Needs cargo, to build the callers; aiortc is
    installed into build/ when it is first asked for. docs/bench.md explains each figure.

    Exit codes: 0 measured; 1 the load client failed, or a point says more of the load than of the server; 2 wrong
    options, or this machine lacks something.
    """
    # Here and not above: a relay image has no transceiver libraries.
    from bench.transceiver import compare as transceivers
    from bench.transceiver.plot import svg as transceiver_svg
    from bench.transceiver.servers import CONTENDERS as SERVERS

    chosen = contenders.split(",")
    if not set(chosen) <= set(SERVERS):
        raise _fail(2, f"--contenders knows {', '.join(SERVERS)}")
    numbers = _session_numbers(sessions)
    wanted = transceivers.Wanted(
        chosen,
        numbers,
        seconds=seconds,
        rounds=rounds,
        rate=rate,
        storm_calls=storm,
        storm_sessions=storm_at,
        delay_ms=delay_ms,
    )
    console = Console(stderr=True, highlight=False)
    each = sum(number / rate + seconds + 8 for number in numbers)
    console.print(f"At most {len(chosen) * rounds * each:.0f} s, once everything is built.")
    began = datetime.now(UTC)
    result = _measured(lambda: transceivers.compare(wanted, lambda one: console.print(_point(one), soft_wrap=True)))
    _write(result, output)
    _report(result, began, html, junit)
    if plot is not None:
        plot.write_text(transceiver_svg(result["summary"]))
    if not all(row["valid"] for row in result["summary"]):
        raise _fail(1, "some points say more of the load client than of the server: 'invalid' says why")


@app.command("worker-link")
def worker_link(
    sessions: Annotated[
        str, typer.Option(help="Numbers of echo sessions over one link, separated by commas, in rising order.")
    ] = "50,200",
    seconds: Annotated[float, typer.Option(min=1, max=60, help="Length of the steady stretch.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="How often each point is measured.")] = 1,
    output: Annotated[Path | None, typer.Option("--json", help="Write the result here.", metavar="FILE")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write it as a page.", metavar="FILE")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write it for a CI gate.", metavar="FILE")] = None,
) -> None:
    """What batching buys on the link to workers: CPU per frame and delay, beside one message per frame, in one run.

    The transceiver's end has core 0, the echo worker core 1; each session sends a frame every 20 ms and gets it back.

    Exit codes: as of `offhook bench transceiver`.
    """
    from bench.worker_link.compare import Wanted as WantedOfLink
    from bench.worker_link.compare import compare as compare_ways

    wanted = WantedOfLink(tuple(_session_numbers(sessions)), seconds, rounds)
    console = Console(stderr=True, highlight=False)
    console.print(f"About {2 * len(wanted.sessions) * rounds * (seconds + 4):.0f} s.")
    began = datetime.now(UTC)
    result = _measured(lambda: compare_ways(wanted, lambda one: console.print(_way(one), soft_wrap=True)))
    _write(result, output)
    _report(result, began, html, junit)


@app.command("transceiver-churn")
def transceiver_churn(
    contender: Annotated[str, typer.Option(help="As in `offhook bench transceiver`.")] = "native:loopback",
    calls: Annotated[int, typer.Option(min=100, max=100_000, help="Calls opened and closed in all.")] = 10_000,
    rate: Annotated[float, typer.Option(min=1, max=500, help="Calls per second.")] = 100,
    output: Annotated[Path | None, typer.Option("--json", help="Write the result here.", metavar="FILE")] = None,
) -> None:
    """What calls leave behind in a transceiver: memory, descriptors, threads and tasks after calls that came and went.

    Looks first after the first hundredth of them (at least 100), last after all; each time with no call open.

    Exit codes: as of `offhook bench transceiver`.
    """
    from bench.transceiver import churn as churning
    from bench.transceiver.servers import CONTENDERS as SERVERS

    if contender not in SERVERS:
        raise _fail(2, f"--contender knows {', '.join(SERVERS)}")
    first = max(100, calls // 100)
    checkpoints = sorted({first, *(max(first, calls * quarter // 4) for quarter in (1, 2, 3, 4))})
    console = Console(stderr=True, highlight=False)
    console.print(f"About {calls / rate + 10:.0f} s, once everything is built.")
    wanted = churning.Wanted(contender, tuple(checkpoints), rate=rate)
    result = _measured(lambda: churning.churn(wanted, lambda seen: console.print(_checkpoint(seen), soft_wrap=True)))
    _write(result, output)


@app.command("realtime-sessions")
def realtime_sessions(
    idle: Annotated[int, typer.Option(min=0, max=4000, help="Sessions that say nothing; 0: not measured.")] = 1000,
    speaking: Annotated[
        int, typer.Option(min=0, max=1000, help="Sessions that speak all the time, answered as much; 0: not measured.")
    ] = 200,
    slow: Annotated[
        int, typer.Option(min=0, max=100, help="Beside those who speak: sessions that read less than they ask for.")
    ] = 4,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="Length of each steady stretch.")] = 10,
    output: Annotated[Path | None, typer.Option("--json", help="Write the result here.", metavar="FILE")] = None,
) -> None:
    """What sessions on WebSockets cost one transceiver process, in CPU and memory: idle ones, then speaking ones.

    Speaking is 100 ms of PCM at 24 kHz in each event, a turn of two seconds, and an answer as long. Each kind has a
    transceiver of its own, on core 0; the clients and the worker have core 1; all traffic is on the loopback interface.
    Slow readers come last: they are cut at their bound, and those who speak are measured meanwhile.

    Exit codes: as of `offhook bench transceiver`.
    """
    from bench.transceiver import sockets

    console = Console(stderr=True, highlight=False)
    console.print(f"About {(idle + speaking) / 100 + 2 * seconds + 40:.0f} s.")
    wanted = sockets.Wanted(idle, speaking, slow, seconds)
    result = _measured(lambda: sockets.sessions(wanted, lambda stage: console.print(f"  {stage}")))
    for kind in ("idle", "speaking"):
        if kind in result:
            console.print(_sessions(kind, result[kind]), soft_wrap=True)
    if (beside := result.get("speaking", {}).get("beside_slow_readers")) is not None:
        console.print(_slow(result["speaking"]["load"], beside), soft_wrap=True)
    _write(result, output)
    if result.get("speaking", {}).get("invalid"):
        raise _fail(1, f"the figures say more of the load than of the server: {result['speaking']['invalid']}")


def _sessions(kind: str, figures: dict[str, Any]) -> str:
    memory = figures["memory_kb_per_session_at_end"]["pss"]
    return (
        f"{figures['sessions']:>5} {kind}: {figures['cpu_ms_per_session_second']:.2f} ms CPU per session-second "
        f"({figures['cpu_share_of_core']:.0%} of a core), {memory:.0f} KB per session"
    )


def _slow(alone: dict[str, Any], beside: dict[str, Any]) -> str:
    readers = beside["readers"]
    codes = ", ".join(f"{count} with {code}" for code, count in readers["close_codes"].items())
    return (
        f"{readers['sessions']:>5} slow readers: {readers['cut']} cut ({codes or 'none'}); {beside['sessions']} of "
        f"{alone['sessions']} others stayed, first audio p99 {beside['first_audio_ms'].get('p99', 0):.0f} ms (before: "
        f"{alone['first_audio_ms'].get('p99', 0):.0f} ms), {beside['errors']} errors"
    )


def _measured(measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    from bench.client import LoadFailed

    try:
        return measure()
    except CannotMeasure as error:
        raise _fail(2, str(error)) from None
    except LoadFailed as error:
        raise _fail(1, f"the load client failed: {error}") from None


def _session_numbers(text: str) -> list[int]:
    try:
        numbers = [int(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1 or numbers != sorted(numbers):
        raise _fail(2, "--sessions are whole numbers in rising order separated by commas, such as 50,200")
    return numbers


def _write(result: dict[str, Any], output: Path | None) -> None:
    text = json.dumps(result, indent=2)
    if output is None:
        typer.echo(text)
    else:
        output.write_text(text + "\n")


def _report(result: dict[str, Any], began: datetime, html: Path | None, junit: Path | None) -> None:
    """The page and the test cases, as of `offhook bench calls`."""
    if html is None and junit is None:
        return
    # Here and not above: a relay image has no histograms, which pages draw.
    from bench.report.points import points_result
    from bench.report.write import CannotWrite, Files, write

    try:
        write(points_result(result, began), Files(html=html, junit=junit))
    except CannotWrite as error:
        raise _fail(2, str(error)) from None


def _point(point: dict[str, Any]) -> str:
    name = f"{point['contender']:>16} {point['sessions']:>5} sessions:"
    if not point["sessions_up"]:
        reasons = ", ".join(f"{reason} ({each['first'][:80]})" for reason, each in point["failures"].items())
        return f"{name} no call came up: {reasons}"
    delay = point["playing"]["round_trip_us"]
    parts = [
        f"{point['cpu_ms_per_session_second']:.2f} ms CPU per session-second",
        f"round trip {delay.get('p50', 0) / 1000:.1f}/{delay.get('p99', 0) / 1000:.1f} ms",
        f"lost {point['lost_share']:.3%}",
        f"setup {point['setup']['cpu_ms_per_call']} ms CPU",
        f"{point['memory_kb_per_session']['pss']:.0f} KB",
    ]
    if "storm" in point:
        storm = point["storm"]
        whole = storm["arriving"]["whole_us"]
        parts.append(
            f"storm {whole['p50'] / 1000:.0f}/{whole['p99'] / 1000:.0f} ms, lost {storm['playing']['lost_share']:.3%}"
        )
    if point["invalid"]:
        parts.append(f"invalid: {point['invalid']}")
    return f"{name} {', '.join(parts)}"


def _way(point: dict[str, Any]) -> str:
    cpu, trip, late = point["cpu_us_per_frame"], point["round_trip_ms"], point["sent_late_ms"]
    return (
        f"{point['way']:>16} {point['sessions']:>5} sessions: transceiver {cpu['transceiver']} + worker "
        f"{cpu['worker']} µs CPU per frame; {point['frames_per_message']['to_worker']} frames per message; round trip "
        f"{trip.get('p50')}/{trip.get('p99')} ms, queue delay at the worker {point['worker_queue_delay_ms_p95']} ms; "
        f"returned {point['returned_share']:.1%}; sent late {late.get('p99')} ms"
    )


def _checkpoint(seen: dict[str, Any]) -> str:
    counts = ", ".join(
        f"{seen[name]} {name.replace('_', ' ')}" for name in ("open_files", "threads", "tasks") if name in seen
    )
    return f"after {seen['calls']:>6} calls, {seen['failed']} failed: {seen['rss_kb'] / 1024:.1f} MB, {counts}"


def _death(one: dict[str, Any]) -> str:
    silence = ", ".join(f"{name} {value:.0f} ms" for name, value in one["longest_silence_ms"].items())
    with_sync = "with flow sync   " if one["flow_sync"] else "without flow sync"
    return f"{with_sync}: longest silence {silence}; {one['packets_lost']} of {one['packets_sent']} packets lost"


def _progress(point: dict[str, Any]) -> str:
    return (
        f"{point['relay']:>9} at {point['offered_per_s']:>7}/s, {point['flows']:>7} flows: "
        f"{point['cpu_us_per_packet']:6.2f} µs per packet, lost {point['lost_share']:.4%}, adds "
        + ", ".join(f"{name} {value} µs" for name, value in point["added_us"].items())
        + f"; {point['relay_rss_kb'] / 1024:.0f} MiB resident"
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
