"""`offhook bench calls`: calls to any endpoint that takes an SDP offer, measured from the caller's side."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from bench.calls import exit_codes
from bench.calls.capacity import DEFAULT_BOUNDS
from bench.calls.fabric import BadFabric
from bench.calls.fault_options import EXAMPLES, BadFault
from bench.calls.plan import Plan
from bench.calls.pods import Pods
from bench.calls.target import KINDS
from bench.client import LoadFailed, build
from bench.machine import CannotMeasure
from bench.report.terminal import print_summary
from bench.report.write import CannotWrite, Files, write
from offhook.cli.bench.calls_options import (
    count_processes,
    members,
    read_bounds,
    read_ca_file,
    read_fabric,
    read_faults,
    read_key,
    read_own_address,
    read_pids,
    read_profile,
    read_target,
    sources,
)
from offhook.cli.bench.calls_run import Bench, Broken
from offhook.cli.bench.output import HtmlFile, JsonFile, JunitFile, fail, told

MOST_CALLS: Final = 20_000
LONGEST_S: Final = 3600
EXIT_CODES: Final = "\n\n".join(f"{code}  {meaning}" for code, meaning in exit_codes.MEANINGS.items())


def calls(
    target: Annotated[
        str,
        typer.Option(
            help="Where offers are posted: http://HOST/v1/realtime/calls?model=MODEL (http://HOST alone means that, "
            "with the default model), a WHIP endpoint, or ws://HOST/v1/realtime?model=MODEL for callers on WebSockets.",
            metavar="URL",
        ),
    ],
    kind: Annotated[
        str | None, typer.Option(help=f"Of the target, if its URL does not say: {', '.join(KINDS)}.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Bearer key.", envvar="OFFHOOK_API_KEY")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="The first line of this file is the key.", metavar="FILE")
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca",
            help="Certificates (PEM) of those who vouch for an https or wss target.",
            show_default="those of this machine",
            metavar="FILE",
        ),
    ] = None,
    number: Annotated[int, typer.Option("--calls", min=1, max=MOST_CALLS, help="Calls at once.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, max=2000, help="Calls that arrive per second.")] = 10,
    duration: Annotated[
        float,
        typer.Option(min=0.5, max=LONGEST_S, help="Seconds that count: of all calls talking, or of a setup storm."),
    ] = 5,
    profile: Annotated[
        str,
        typer.Option(
            help="What callers do. echo: talk all the time, and hear themselves. conversation: say a sentence, listen "
            "to the answer, and so on. barge-in: the same, but interrupt each answer. setup-storm: come and go, "
            "--calls of them at once."
        ),
    ] = "echo",
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Of the load.", show_default="one for every 500 calls, at most one a core"),
    ] = None,
    warm_up_calls: Annotated[
        int, typer.Option("--warm-up", min=1, max=100, help="Calls beforehand that do not count.")
    ] = 3,
    slo: Annotated[
        list[str] | None,
        typer.Option(
            help="A bound to keep, such as setup.p99<=1s, round_trip.p95<=200ms, mos.p50>=4 or lost_share<=1%. "
            "Repeat it.",
            metavar="SLO",
        ),
    ] = None,
    find_capacity: Annotated[
        bool,
        typer.Option(
            help="Step from --calls upwards until an SLO breaks, and say how many calls the target carries. Without "
            "--slo: " + ", ".join(bound.name for bound in DEFAULT_BOUNDS) + "."
        ),
    ] = False,
    up_to: Annotated[
        int, typer.Option(min=1, max=MOST_CALLS, help="Where --find-capacity stops at the latest.")
    ] = 2000,
    pid: Annotated[
        list[str] | None,
        typer.Option(help="Watch CPU and memory of this process of this machine. Repeat it.", metavar="NAME=PID"),
    ] = None,
    scrape: Annotated[
        list[str] | None,
        typer.Option(help="The same of one that shows Prometheus metrics. Repeat it.", metavar="[NAME=]URL"),
    ] = None,
    fabric: Annotated[
        Path | None,
        typer.Option(
            help="What `offhook up --ready-file` wrote: its processes are watched, may be killed by --fault, and its "
            "relays are asked what they counted.",
            metavar="FILE",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Break something while calls play, and see what callers feel: {EXAMPLES}. Times count from the first "
            "call. Killed are processes that --pid or --fabric name, or pods of --pods, by name or role; loss and "
            "delay hold each way, on a path that is put between callers and target. Repeat it.",
            metavar="FAULT",
        ),
    ] = None,
    pods: Annotated[
        str | None,
        typer.Option(
            help="Pods of the target, as kubectl --selector takes them: kill-relay deletes the first of them whose "
            "app.kubernetes.io/component is relay, without notice, and relays are asked what they counted.",
            metavar="SELECTOR",
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(help="Of --pods.", show_default="this pod's own; elsewhere default", metavar="NAME"),
    ] = None,
    dead_after: Annotated[
        int, typer.Option(min=1, max=600, help="Seconds without a packet from the target after which the run ends.")
    ] = 10,
    accept_invalid: Annotated[
        bool,
        typer.Option(help="No failure if the load was the bottleneck: to check that calls work, not how well."),
    ] = False,
    first_address: Annotated[
        str | None,
        typer.Option(
            help="Callers have an address of this machine each: this one, and those that follow it. Else those that "
            "call another machine share one, with a port each, which costs the load more."
        ),
    ] = None,
    as_json: JsonFile = None,
    as_html: HtmlFile = None,
    as_junit: JunitFile = None,
) -> None:
    """Place real WebRTC calls, send recorded speech, and say how they were set up and what came back.

    Ctrl-C ends the run early and reports what there is; a second one ends it at once.
    """
    addressed = read_target(target, kind)
    if fabric is not None and pods is not None:
        raise fail("calls", exit_codes.CANNOT, "--fabric is of this machine, --pods of a cluster: give one of them")
    if find_capacity and fault:
        raise fail("calls", exit_codes.CANNOT, "--find-capacity is of a whole target: give no --fault")
    most = max(number, up_to) if find_capacity else number
    own, own_ports = (first_address, False) if first_address else read_own_address(addressed)
    plan = Plan(
        target=addressed,
        key=read_key(key, key_file),
        profile=read_profile(profile, addressed),
        calls=number,
        rate=rate,
        duration_s=duration,
        processes=processes or count_processes(most),
        warm_up=warm_up_calls,
        first_address=own,
        own_ports=own_ports,
        ca_file=read_ca_file(addressed, ca_file),
        dead_after_s=dead_after,
    )
    bounds = read_bounds(slo or []) or (list(DEFAULT_BOUNDS) if find_capacity else [])
    pids = read_pids(pid or [])
    known = read_fabric(fabric)
    watched = sources({**pids(), **members(known)}, scrape or [])
    options = {
        "calls": number,
        "rate": rate,
        "duration_s": duration,
        "processes": plan.processes,
        "slo": slo or [],
        "fault": fault or [],
    }
    faults = read_faults(fault or [], plan)
    files = Files(as_json, as_html, as_junit)
    console = told()
    try:
        files.require()
        if addressed.kind != "websocket":
            build()
        named = Pods(pods, namespace) if pods is not None else None
        broken = Broken(faults, known, lambda: {**pids(), **members(known)}, named)
        bench = Bench(watched, bounds, options, console, broken)
        found = asyncio.run(bench.find(plan, most) if find_capacity else bench.run(plan))
    except (CannotMeasure, CannotWrite, BadFault, BadFabric) as error:
        raise fail("calls", exit_codes.CANNOT, str(error)) from None
    except LoadFailed as error:
        raise fail("calls", exit_codes.INVALID, f"the load client failed: {error}") from None
    print_summary(found, console)
    died = found.details.get("target_died_at_s")
    if died is not None:
        console.print(f"the target died: nothing came back after {died:.0f} s, though callers spoke", soft_wrap=True)
    try:
        write(found, files)
    except CannotWrite as error:
        raise fail("calls", exit_codes.CANNOT, str(error)) from None
    code = exit_codes.of_result(found, accept_invalid=accept_invalid)
    if code:
        raise typer.Exit(code)


calls.__doc__ = f"{calls.__doc__}\n    Exit codes:\n\n{EXIT_CODES}\n"
