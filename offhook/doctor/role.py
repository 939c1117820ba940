"""Judgements about one role's configuration on this host, and about whom it has to reach."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from offhook.doctor.finding import Finding, failed, ok, warning
from offhook.doctor.host import Port
from offhook.doctor.probe import Probe
from offhook.service.config import ConfigError, load_key_ring


class Identity(NamedTuple):
    """What a transceiver says of itself."""

    cluster_id: int
    transceiver_id: int
    draining: bool


class Reach(Protocol):
    """Asks other processes. `Unreachable` says why they did not answer."""

    async def resolve(self, target: str) -> Sequence[str]:
        """gRPC targets behind a configured one; none if its name does not resolve."""

    async def identify(self, target: str) -> Identity:
        """Who the transceiver at a gRPC target is."""

    async def health(self, target: str) -> bool:
        """Whether the worker at a gRPC target takes sessions."""


class Unreachable(Exception):
    """Nobody answered; the message says why in a word or two."""


class RoleSettings(NamedTuple):
    """What doctor needs of a role's configuration.

    Attributes:
        role: relay, transceiver or worker.
        ports: to be bound.
        busy: processes or threads that will each want a core.
        cluster_id: None for a worker.
        keys_file: the routing keys, if it has any.
        secrets: other files that nobody else may read.
        transceivers, workers: targets that it dials.
    """

    role: str
    ports: Sequence[Port]
    busy: int
    cluster_id: int | None = None
    keys_file: Path | None = None
    secrets: Sequence[Path] = ()
    transceivers: Sequence[str] = ()
    workers: Sequence[str] = ()


async def check_role(settings: RoleSettings, probe: Probe, reach: Reach) -> list[Finding]:
    """Files first, then everybody that the role dials."""
    findings = [ok("configuration", f"a valid one of a {settings.role}")]
    if settings.keys_file is not None:
        findings += [key_file(settings.keys_file), private(settings.keys_file, probe)]
    findings += [private(path, probe) for path in settings.secrets]
    ids: dict[int, str] = {}

    async def judge_transceiver(target: str) -> Finding:
        return transceiver(target, await reach.identify(target), settings.cluster_id, ids)

    async def judge_worker(target: str) -> Finding:
        return worker(target, accepts=await reach.health(target))

    for target in settings.transceivers:
        findings += await _ask(f"transceiver {target}", target, reach, judge_transceiver)
    for target in settings.workers:
        findings += await _ask(f"worker {target}", target, reach, judge_worker)
    return findings


async def _ask(
    check: str, configured: str, reach: Reach, judge: Callable[[str], Awaitable[Finding]]
) -> Sequence[Finding]:
    targets = await reach.resolve(configured)
    if not targets:
        return [
            failed(check, "the name does not resolve", "check its spelling, and that the (headless) Service exists")
        ]
    findings = []
    for target in targets:
        try:
            findings.append(await judge(target))
        except Unreachable as error:
            findings.append(
                failed(check, f"{target} does not answer: {error}", "start it, or let this host reach it (TCP)")
            )
    return findings


def transceiver(target: str, identity: Identity, cluster_id: int | None, ids: dict[int, str]) -> Finding:
    """Of this cluster, and the only one of its id. `ids` remembers who was met."""
    check = f"transceiver {target}"
    if identity.cluster_id != cluster_id:
        return failed(
            check,
            f"is of cluster {identity.cluster_id}, this configuration of {cluster_id}",
            "give both the same cluster_id, or name the transceivers of this cluster",
        )
    other = ids.setdefault(identity.transceiver_id, target)
    if other != target:
        return failed(
            check,
            f"says it is transceiver {identity.transceiver_id}, and so does {other}",
            "give each transceiver an id of its own: the id is the route of its calls",
        )
    draining = ", draining" if identity.draining else ""
    return ok(check, f"answers as transceiver {identity.transceiver_id}{draining}")


def worker(target: str, *, accepts: bool) -> Finding:
    """It answers, and takes sessions."""
    if not accepts:
        return warning(
            f"worker {target}", "answers, but takes no sessions", "it drains or still starts; look at its log"
        )
    return ok(f"worker {target}", "answers and takes sessions")


def key_file(path: Path) -> Finding:
    """The routing keys load, and one mints."""
    try:
        ring = load_key_ring(path)
    except ConfigError as error:
        return failed("routing keys", str(error), "mount the Secret that the transceivers have, too")
    return ok("routing keys", f"{len(ring.derived_keys())} in {path}")


def private(path: Path, probe: Probe) -> Finding:
    """Secrets are their owner's."""
    check = f"permissions of {path.name}"
    try:
        others = probe.readable_by_others(path)
    except OSError as error:
        return failed(check, f"{path}: {error.strerror}", "create it, or correct its path in the configuration")
    if others:
        return warning(check, "others may read it", f"chmod 600 {path}; for a mounted Secret: defaultMode: 0400")
    return ok(check, "its owner's alone")
