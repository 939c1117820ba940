"""What the options of `offhook bench calls` say. What cannot be ends the command with one line of advice."""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from bench.calls import exit_codes
from bench.calls.fabric import BadFabric, Fabric
from bench.calls.fault_options import BadFault, FaultOption, parse_fault
from bench.calls.own_addresses import own_address
from bench.calls.plan import PROFILES, Plan, Profile
from bench.calls.target import KINDS, BadTarget, Kind, Target, target_of
from bench.calls.watched import Source, local, scraped
from bench.report.slo import Bound, parse_bound
from offhook.cli.bench.output import fail

CALLS_PER_PROCESS: Final = 500
"""Where --processes is not given: half of what a core carries."""


def read_profile(profile: str, target: Target) -> Profile:
    """What callers do there."""
    if profile not in PROFILES:
        raise fail("calls", exit_codes.CANNOT, f"--profile knows {', '.join(PROFILES)}")
    if target.kind == "websocket" and profile == "echo":
        others = "conversation, barge-in or setup-storm"
        raise fail("calls", exit_codes.CANNOT, f"callers on WebSockets hear no echo: --profile {others}")
    return profile


def read_target(url: str, kind: str | None) -> Target:
    """What `--target` and `--kind` name."""
    if kind is not None and kind not in KINDS:
        raise fail("calls", exit_codes.CANNOT, f"--kind knows {', '.join(KINDS)}")
    try:
        return target_of(url, cast("Kind | None", kind))
    except BadTarget as error:
        raise fail("calls", exit_codes.CANNOT, str(error)) from None


def read_ca_file(target: Target, file: Path | None) -> str | None:
    """Whom a target with TLS is to be vouched for by; None of one without."""
    if not target.is_secure:
        return None
    path = file or Path(ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile)
    if not path.is_file():
        raise fail("calls", exit_codes.CANNOT, f"there is no file {path}: --ca names one with certificates to trust")
    return str(path)


def read_own_address(target: Target) -> tuple[str, bool]:
    """Where callers are; see `own_address`."""
    try:
        return own_address(target.host)
    except OSError as error:
        raise fail("calls", exit_codes.UNREACHABLE, f"{target.host} cannot be reached: {error.strerror}") from None


def count_processes(number: int) -> int:
    """How many processes so many calls take."""
    return max(1, min(os.cpu_count() or 1, -(-number // CALLS_PER_PROCESS)))


def read_bounds(texts: list[str]) -> list[Bound]:
    """What `--slo` asks for."""
    try:
        return [parse_bound(text) for text in texts]
    except ValueError as error:
        raise fail("calls", exit_codes.CANNOT, f"--slo {error}") from None


def read_faults(texts: list[str], plan: Plan) -> list[FaultOption]:
    """What `--fault` asks for."""
    try:
        faults = [parse_fault(text) for text in texts]
    except BadFault as error:
        raise fail("calls", exit_codes.CANNOT, f"--fault {error}") from None
    late = [fault.text for fault in faults if fault.at_s >= plan.measure_to_s]
    if late:
        raise fail(
            "calls",
            exit_codes.CANNOT,
            f"--fault {late[0]} comes too late: the run ends after {plan.measure_to_s:.1f} s",
        )
    return faults


def read_fabric(ready_file: Path | None) -> Fabric | None:
    """What `--fabric` describes."""
    try:
        return Fabric(ready_file) if ready_file is not None else None
    except BadFabric as error:
        raise fail("calls", exit_codes.CANNOT, f"--fabric: {error}") from None


def members(fabric: Fabric | None) -> dict[str, int]:
    """Its processes, by name."""
    return {member.name: member.pid for member in fabric.members()} if fabric is not None else {}


def read_pids(texts: list[str]) -> Callable[[], dict[str, int]]:
    """What `--pid` names; asked again whenever it matters."""
    pids = {}
    for text in texts:
        name, _, pid = text.partition("=")
        if not name or not pid.isdigit() or not Path(f"/proc/{pid}").exists():
            raise fail("calls", exit_codes.CANNOT, f"--pid {text}: NAME=PID of a process that runs here")
        if name in pids:
            raise fail("calls", exit_codes.CANNOT, f"--pid {text}: each process needs a name of its own")
        pids[name] = int(pid)
    return lambda: pids


def sources(pids: dict[str, int], urls: list[str]) -> list[Source]:
    """What is watched: processes of this machine, and what `--scrape` names."""
    sources = [local(name, pid) for name, pid in pids.items()]
    for text in urls:
        name, separator, url = text.partition("=")
        if "://" in name or not separator:
            name, url = text.partition("://")[2], text
        if not url.startswith(("http://", "https://")):
            raise fail("calls", exit_codes.CANNOT, f"--scrape {text}: NAME=URL, http or https")
        sources.append(scraped(name, url))
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        raise fail("calls", exit_codes.CANNOT, "--pid and --scrape: each process needs a name of its own")
    return sources


def read_key(key: str | None, file: Path | None) -> str | None:
    """The key, out of a file if one is given."""
    if file is None:
        return key
    try:
        # `KEY` or `TENANT KEY`.
        return file.read_text(encoding="utf-8").splitlines()[0].split()[-1]
    except (OSError, IndexError, UnicodeDecodeError):
        raise fail("calls", exit_codes.CANNOT, f"--key-file: no key can be read from {file}") from None
