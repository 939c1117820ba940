"""`offhook bench calls`: calls to any endpoint that takes an SDP offer, measured from the caller's side."""

import asyncio
import os
import signal
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, cast

import typer
from rich.console import Console

from bench.calls import exit_codes
from bench.calls.capacity import DEFAULT_BOUNDS, find
from bench.calls.fabric import BadFabric, Fabric
from bench.calls.fault_actions import Pids, prepared
from bench.calls.fault_options import EXAMPLES, BadFault, FaultOption, parse_fault
from bench.calls.outcome import result
from bench.calls.own_addresses import own_address
from bench.calls.plan import PROFILES, Plan
from bench.calls.run import Run, warm_up
from bench.calls.target import KINDS, BadTarget, Kind, Target, target_of
from bench.calls.watched import Source, local, scraped
from bench.client import LoadFailed, build
from bench.machine import CannotMeasure
from bench.report.model import Result
from bench.report.slo import Bound, parse_bound
from bench.report.terminal import print_summary
from bench.report.write import CannotWrite, Files, write
from offhook.cli.bench.output import HtmlFile, JsonFile, JunitFile, fail, told
from offhook.cli.bench.progress import Display, step_told

MOST_CALLS: Final = 20_000
LONGEST_S: Final = 3600
CALLS_PER_PROCESS: Final = 500
"""Where --processes is not given: half of what a core carries."""
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
            "call. Killed are processes that --pid or --fabric name, by name or role; loss and delay hold each way, on "
            "a path that is put between callers and target. Repeat it.",
            metavar="FAULT",
        ),
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
    addressed = _target(target, kind)
    if profile not in PROFILES:
        raise _fail(exit_codes.CANNOT, f"--profile knows {', '.join(PROFILES)}")
    if addressed.kind == "websocket" and profile == "echo":
        raise _fail(
            exit_codes.CANNOT, "callers on WebSockets hear no echo: --profile conversation, barge-in or setup-storm"
        )
    most = max(number, up_to) if find_capacity else number
    own, own_ports = (first_address, False) if first_address else _own_address(addressed)
    plan = Plan(
        target=addressed,
        key=_key(key, key_file),
        profile=profile,
        calls=number,
        rate=rate,
        duration_s=duration,
        processes=processes or _processes(most),
        warm_up=warm_up_calls,
        first_address=own,
        own_ports=own_ports,
        ca_file=_ca_file(addressed, ca_file),
        dead_after_s=dead_after,
    )
    bounds = _bounds(slo or []) or (list(DEFAULT_BOUNDS) if find_capacity else [])
    pids = _pids(pid or [])
    known = _fabric(fabric)
    sources = _sources({**pids(), **_members(known)}, scrape or [])
    options = {
        "calls": number,
        "rate": rate,
        "duration_s": duration,
        "processes": plan.processes,
        "slo": slo or [],
        "fault": fault or [],
    }
    faults = _faults(fault or [], plan)
    if faults and find_capacity:
        raise _fail(exit_codes.CANNOT, "--find-capacity looks for what a whole target carries: give no --fault")
    files = Files(as_json, as_html, as_junit)
    console = told()
    try:
        files.require()
        if addressed.kind != "websocket":
            build()
        bench = _Bench(sources, bounds, options, console, _Broken(faults, known, lambda: {**pids(), **_members(known)}))
        found = asyncio.run(bench.find(plan, most) if find_capacity else bench.run(plan))
    except (CannotMeasure, CannotWrite, BadFault, BadFabric) as error:
        raise _fail(exit_codes.CANNOT, str(error)) from None
    except LoadFailed as error:
        raise _fail(exit_codes.INVALID, f"the load client failed: {error}") from None
    print_summary(found, console)
    died = found.details.get("target_died_at_s")
    if died is not None:
        console.print(f"the target died: nothing came back after {died:.0f} s, though callers spoke", soft_wrap=True)
    try:
        write(found, files)
    except CannotWrite as error:
        raise _fail(exit_codes.CANNOT, str(error)) from None
    code = exit_codes.of_result(found, accept_invalid=accept_invalid)
    if code:
        raise typer.Exit(code)


calls.__doc__ = f"{calls.__doc__}\n    Exit codes:\n\n{EXIT_CODES}\n"


class _Broken(NamedTuple):
    """What is broken in a run, and whose it is."""

    faults: list[FaultOption]
    fabric: Fabric | None
    pids: Pids


class _Bench:
    """Runs plans, and lets Ctrl-C end them."""

    def __init__(
        self,
        sources: list[Source],
        bounds: list[Bound],
        options: dict[str, Any],
        console: Console,
        broken: _Broken,
    ) -> None:
        self._broken = broken
        self._sources = sources
        self._bounds = bounds
        self._options = options
        self._console = console
        self._stop = asyncio.Event()

    async def run(self, plan: Plan) -> Result:
        """One run, after its warm-up."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, _interrupt, self._stop)
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        plan = replace(plan, processes=min(plan.processes, plan.calls), warm_up=min(plan.warm_up, plan.calls))
        broken = self._broken
        async with prepared(broken.faults, plan, broken.pids) as (over_it, faults, path):
            with Display(self._console, plan) as display:
                hopeless = exit_codes.of_warm_up(await warm_up(over_it, self._stop))
                if hopeless is not None and not self._stop.is_set():
                    code, why = hopeless
                    raise _fail(code, f"{plan.target.shown}: {why}")
                run = Run(over_it, sources=self._sources, faults=faults, fabric=broken.fabric)
                recorded = await run.play(display.show, self._stop)
            if path is not None:
                recorded.path_late_share = path.late_share
        return result(recorded, self._bounds, self._options)

    async def find(self, plan: Plan, most: int) -> Result:
        """Runs until the target's capacity is known."""

        async def step(plan: Plan) -> Result:
            found = await self.run(plan)
            self._console.print(step_told(plan.calls, found), soft_wrap=True)
            return found

        return await find(plan, most, self._bounds, step)


def _interrupt(stop: asyncio.Event) -> None:
    if stop.is_set():
        # The processes of the load end with their standard input, which ends with us.
        os._exit(exit_codes.INTERRUPTED)
    stop.set()


def _target(url: str, kind: str | None) -> Target:
    if kind is not None and kind not in KINDS:
        raise _fail(exit_codes.CANNOT, f"--kind knows {', '.join(KINDS)}")
    try:
        return target_of(url, cast("Kind | None", kind))
    except BadTarget as error:
        raise _fail(exit_codes.CANNOT, str(error)) from None


def _ca_file(target: Target, file: Path | None) -> str | None:
    if not target.is_secure:
        return None
    path = file or Path(ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile)
    if not path.is_file():
        raise _fail(exit_codes.CANNOT, f"there is no file {path}: --ca names one with certificates to trust")
    return str(path)


def _own_address(target: Target) -> tuple[str, bool]:
    try:
        return own_address(target.host)
    except OSError as error:
        raise _fail(exit_codes.UNREACHABLE, f"{target.host} cannot be reached: {error.strerror}") from None


def _processes(number: int) -> int:
    return max(1, min(os.cpu_count() or 1, -(-number // CALLS_PER_PROCESS)))


def _bounds(texts: list[str]) -> list[Bound]:
    try:
        return [parse_bound(text) for text in texts]
    except ValueError as error:
        raise _fail(exit_codes.CANNOT, f"--slo {error}") from None


def _faults(texts: list[str], plan: Plan) -> list[FaultOption]:
    try:
        faults = [parse_fault(text) for text in texts]
    except BadFault as error:
        raise _fail(exit_codes.CANNOT, f"--fault {error}") from None
    late = [fault.text for fault in faults if fault.at_s >= plan.measure_to_s]
    if late:
        raise _fail(
            exit_codes.CANNOT, f"--fault {late[0]} comes too late: the run ends after {plan.measure_to_s:.1f} s"
        )
    return faults


def _fabric(ready_file: Path | None) -> Fabric | None:
    try:
        return Fabric(ready_file) if ready_file is not None else None
    except BadFabric as error:
        raise _fail(exit_codes.CANNOT, f"--fabric: {error}") from None


def _members(fabric: Fabric | None) -> dict[str, int]:
    return {member.name: member.pid for member in fabric.members()} if fabric is not None else {}


def _pids(texts: list[str]) -> Callable[[], dict[str, int]]:
    pids = {}
    for text in texts:
        name, _, pid = text.partition("=")
        if not name or not pid.isdigit() or not Path(f"/proc/{pid}").exists():
            raise _fail(exit_codes.CANNOT, f"--pid {text}: NAME=PID of a process that runs here")
        if name in pids:
            raise _fail(exit_codes.CANNOT, f"--pid {text}: each process needs a name of its own")
        pids[name] = int(pid)
    return lambda: pids


def _sources(pids: dict[str, int], urls: list[str]) -> list[Source]:
    sources = [local(name, pid) for name, pid in pids.items()]
    for text in urls:
        name, separator, url = text.partition("=")
        if "://" in name or not separator:
            name, url = text.partition("://")[2], text
        if not url.startswith(("http://", "https://")):
            raise _fail(exit_codes.CANNOT, f"--scrape {text}: NAME=URL, http or https")
        sources.append(scraped(name, url))
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        raise _fail(exit_codes.CANNOT, "--pid and --scrape: each process needs a name of its own")
    return sources


def _key(key: str | None, file: Path | None) -> str | None:
    if file is None:
        return key
    try:
        # `KEY` or `TENANT KEY`.
        return file.read_text(encoding="utf-8").splitlines()[0].split()[-1]
    except (OSError, IndexError, UnicodeDecodeError):
        raise _fail(exit_codes.CANNOT, f"--key-file: no key can be read from {file}") from None


def _fail(code: int, message: str) -> typer.Exit:
    return fail("calls", code, message)
