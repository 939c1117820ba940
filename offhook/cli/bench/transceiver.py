"""`offhook bench transceiver`, `transceiver-churn` and `realtime-sessions`: one transceiver on this machine."""

from typing import Annotated, Any

import typer

from bench.report.write import Files
from offhook.cli.bench.output import HtmlFile, JsonFile, JunitFile, fail, lines, measured, numbers, require_valid, told


def transceiver(
    contenders: Annotated[
        str,
        typer.Option(
            help="Servers, separated by commas: PORT:MODEL of this checkout's transceiver (ports native and python; "
            "models loopback, echo behind a worker, pcm behind a worker that wants PCM), str0m, pion, aiortc."
        ),
    ] = "native:loopback,python:loopback,native:echo,str0m,pion,aiortc",
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
    as_json: JsonFile = None,
    as_html: HtmlFile = None,
    as_junit: JunitFile = None,
) -> None:
    """What a call costs a transceiver, in CPU, memory and delay, beside other servers, alternating in one run.

    Real WebRTC callers (ICE, DTLS, SRTP, RTCP) send Opus every 20 ms and measure what comes back. The server has core
    0, the callers core 1; all traffic is on the loopback interface. Needs cargo, to build the callers, and Go for
    pion; aiortc is installed into build/ when it is first asked for. docs/bench.md explains each figure.

    Exit codes: 0 measured; 1 the load client failed, or a point says more of the load than of the server; 2 wrong
    options, or this machine lacks something.
    """
    # Here and not above: a relay image has no transceiver libraries.
    from bench.transceiver import compare as transceivers
    from bench.transceiver.servers import CONTENDERS as SERVERS

    chosen = contenders.split(",")
    if not set(chosen) <= set(SERVERS):
        raise fail("transceiver", 2, f"--contenders knows {', '.join(SERVERS)}")
    counts = numbers("transceiver", "--sessions", sessions, rising=True)
    wanted = transceivers.Wanted(
        chosen,
        counts,
        seconds=seconds,
        rounds=rounds,
        rate=rate,
        storm_calls=storm,
        storm_sessions=storm_at,
        delay_ms=delay_ms,
    )
    console = told()
    each = sum(number / rate + seconds + 8 for number in counts)
    console.print(f"At most {len(chosen) * rounds * each:.0f} s, once everything is built.")
    show = lines(console, _point)
    files = Files(as_json, as_html, as_junit)
    require_valid("transceiver", measured("transceiver", lambda: transceivers.compare(wanted, show), files, console))


def transceiver_churn(
    contender: Annotated[str, typer.Option(help="As in `offhook bench transceiver`.")] = "native:loopback",
    calls: Annotated[int, typer.Option(min=100, max=100_000, help="Calls opened and closed in all.")] = 10_000,
    rate: Annotated[float, typer.Option(min=1, max=500, help="Calls per second.")] = 100,
    as_json: JsonFile = None,
    as_html: HtmlFile = None,
    as_junit: JunitFile = None,
) -> None:
    """What calls leave behind in a transceiver: memory, descriptors, threads and tasks after calls that came and went.

    Looks first after the first hundredth of them (at least 100), last after all; each time with no call open.

    Exit codes: as of `offhook bench transceiver`.
    """
    from bench.transceiver import churn as churning
    from bench.transceiver.servers import CONTENDERS as SERVERS

    if contender not in SERVERS:
        raise fail("transceiver-churn", 2, f"--contender knows {', '.join(SERVERS)}")
    first = max(100, calls // 100)
    checkpoints = sorted({first, *(max(first, calls * quarter // 4) for quarter in (1, 2, 3, 4))})
    console = told()
    console.print(f"About {calls / rate + 10:.0f} s, once everything is built.")
    wanted = churning.Wanted(contender, tuple(checkpoints), rate=rate)
    show = lines(console, _look)
    files = Files(as_json, as_html, as_junit)
    measured("transceiver-churn", lambda: churning.churn(wanted, show), files, console)


def realtime_sessions(
    idle: Annotated[int, typer.Option(min=0, max=4000, help="Sessions that say nothing; 0: not measured.")] = 1000,
    speaking: Annotated[
        int, typer.Option(min=0, max=1000, help="Sessions that speak all the time, answered as much; 0: not measured.")
    ] = 200,
    slow: Annotated[
        int, typer.Option(min=0, max=100, help="Beside those who speak: sessions that read less than they ask for.")
    ] = 4,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="Length of each steady stretch.")] = 10,
    as_json: JsonFile = None,
    as_html: HtmlFile = None,
    as_junit: JunitFile = None,
) -> None:
    """What sessions on WebSockets cost one transceiver process, in CPU and memory: idle ones, then speaking ones.

    Speaking is 100 ms of PCM at 24 kHz in each event, a turn of two seconds, and an answer as long. Each kind has a
    transceiver of its own, on core 0; the clients and the worker have core 1; all traffic is on the loopback interface.
    Slow readers come last: they are cut at their bound, and those who speak are measured meanwhile.

    Exit codes: as of `offhook bench transceiver`.
    """
    from bench.transceiver import sockets

    console = told()
    console.print(f"About {(idle + speaking) / 100 + 2 * seconds + 40:.0f} s.")
    wanted = sockets.Wanted(idle, speaking, slow, seconds)
    show = lines(console, "  {}".format)
    files = Files(as_json, as_html, as_junit)
    require_valid(
        "realtime-sessions", measured("realtime-sessions", lambda: sockets.sessions(wanted, show), files, console)
    )


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


def _look(seen: dict[str, Any]) -> str:
    counts = ", ".join(
        f"{seen[name]} {name.replace('_', ' ')}" for name in ("open_files", "threads", "tasks") if name in seen
    )
    return f"after {seen['calls']:>6} calls, {seen['failed']} failed: {seen['rss_kb'] / 1024:.1f} MB, {counts}"
