"""Every judgement of `offhook doctor`, on hosts that are made up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from offhook.doctor.finding import Finding, Status, any_failed
from offhook.doctor.host import Port, check_host
from offhook.doctor.probe import Clocks, PortUse, Transport
from offhook.doctor.role import Identity, RoleSettings, Unreachable, check_role
from offhook.service.config import new_key_file
from wire.address import Address

MEDIA = Port(Transport.UDP, Address("127.0.0.1", 3478), shared=True)
ADMIN = Port(Transport.TCP, Address("127.0.0.1", 9478), shared=False)
FREE = PortUse(None, None, ())
INSTALLED_AT = 1_800_000_000.0
HEALTHY_CLOCK = Clocks((5.0, 5.1), (INSTALLED_AT + 5.0, INSTALLED_AT + 5.1), INSTALLED_AT)
HEALTHY_SYSCTLS = {
    "net.core.rmem_max": 4 << 20,
    "net.core.wmem_max": 4 << 20,
    "net.netfilter.nf_conntrack_max": 262_144,
    "net.netfilter.nf_conntrack_count": 10,
    "net.netfilter.nf_conntrack_udp_timeout_stream": 120,
}


@dataclass(frozen=True)
class Host:
    """A Probe whose answers are given. As it is made, all is well."""

    sysctls: dict[str, int] = field(default_factory=lambda: dict(HEALTHY_SYSCTLS))
    gso: str | None = None
    gro: str | None = None
    reuseport: str | None = None
    ports: dict[int, PortUse] = field(default_factory=dict)
    clock: Clocks = HEALTHY_CLOCK
    open_files: int = 65_536
    core_count: int = 4
    quota: float | None = None
    python: tuple[int, int] = (3, 11)
    native: str | None = "release"
    public_files: frozenset[Path] = frozenset()

    def sysctl(self, name: str) -> int | None:
        return self.sysctls.get(name)

    def gso_problem(self) -> str | None:
        return self.gso

    def gro_problem(self) -> str | None:
        return self.gro

    def reuseport_problem(self) -> str | None:
        return self.reuseport

    def port_use(self, transport: Transport, address: Address) -> PortUse:
        return self.ports.get(address.port, FREE)

    def clocks(self) -> Clocks:
        return self.clock

    def open_files_limit(self) -> int:
        return self.open_files

    def cores(self) -> int:
        return self.core_count

    def cpu_quota(self) -> float | None:
        return self.quota

    def python_version(self) -> tuple[int, int]:
        return self.python

    def native_profile(self) -> str | None:
        return self.native

    def readable_by_others(self, path: Path) -> bool:
        path.stat()
        return path in self.public_files


def with_sysctl(name: str, value: int) -> Host:
    return Host(sysctls={**HEALTHY_SYSCTLS, name: value})


def examine(host: Host) -> Sequence[Finding]:
    return check_host(host, [MEDIA, ADMIN], busy=4)


def the_one_that_is_not_ok(findings: Sequence[Finding]) -> Finding:
    (finding,) = [finding for finding in findings if finding.status is not Status.OK]
    return finding


def test_a_healthy_host_gets_no_advice() -> None:
    findings = examine(Host())
    assert {finding.status for finding in findings} == {Status.OK}
    assert not any(finding.advice for finding in findings)
    assert not any_failed(findings)


@pytest.mark.parametrize(
    ("host", "check", "advice"),
    [
        (with_sysctl("net.core.rmem_max", 212_992), "receive buffer", "sysctl -w net.core.rmem_max=4194304"),
        (with_sysctl("net.core.wmem_max", 212_992), "send buffer", "sysctl -w net.core.wmem_max=4194304"),
        (Host(gso="Protocol not available"), "UDP GSO", "Linux 4.18"),
        (Host(gro="of a train, 100 bytes arrived at once"), "UDP GRO", "Linux 5.0"),
        (Host(native=None), "native data path", "offhook[native]"),
        (Host(native="debug"), "native data path", "--release"),
        (Host(open_files=1024), "open files", "ulimit -n 4096"),
        (Host(core_count=2), "cores", "run fewer"),
        (Host(quota=1.5), "cores", "run 1 relay threads"),
        (replace(Host(), clock=Clocks((5.0, 5.1), (INSTALLED_AT, INSTALLED_AT + 3.1), INSTALLED_AT)), "clock", "slew"),
        (with_sysctl("net.netfilter.nf_conntrack_max", 65_536), "conntrack", "nf_conntrack_max=131072"),
        (with_sysctl("net.netfilter.nf_conntrack_count", 250_000), "conntrack", "nf_conntrack_max=524288"),
        (with_sysctl("net.netfilter.nf_conntrack_udp_timeout_stream", 20), "conntrack", "udp_timeout_stream=120"),
    ],
)
def test_what_only_costs_is_a_warning(host: Host, check: str, advice: str) -> None:
    finding = the_one_that_is_not_ok(examine(host))
    assert (finding.check, finding.status) == (check, Status.WARNING)
    assert advice in finding.advice


TAKEN = PortUse("Address already in use", "Address already in use", ("nginx (pid 12)",))


@pytest.mark.parametrize(
    ("host", "check", "found", "advice"),
    [
        (Host(python=(3, 10)), "python", "3.10", "3.11"),
        (Host(reuseport="Protocol not available"), "SO_REUSEPORT", "not available", "Linux 3.9"),
        (Host(ports={3478: TAKEN}), "port 127.0.0.1:3478/udp", "nginx (pid 12)", "choose another port"),
        (
            Host(ports={9478: TAKEN._replace(shared=None)}),
            "port 127.0.0.1:9478/tcp",
            "nginx (pid 12)",
            "stop that process, unless",
        ),
        (
            Host(ports={3478: PortUse("Cannot assign requested address", "Cannot assign requested address", ())}),
            "port 127.0.0.1:3478/udp",
            "Cannot assign",
            "address of this host",
        ),
        (Host(clock=Clocks((5.0, 5.0), (INSTALLED_AT,) * 2, INSTALLED_AT)), "clock", "stands still", "clock source"),
        (Host(clock=Clocks((5.0, 5.1), (0.0, 0.1), INSTALLED_AT)), "clock", "before this software", "set the date"),
    ],
)
def test_what_keeps_it_from_working_is_a_failure(host: Host, check: str, found: str, advice: str) -> None:
    finding = the_one_that_is_not_ok(examine(host))
    assert (finding.check, finding.status) == (check, Status.FAILED)
    assert found in finding.found
    assert advice in finding.advice


def test_a_port_that_relays_share_may_be_joined() -> None:
    host = Host(ports={3478: PortUse("Address already in use", None, ("offhook (pid 7)",))})
    findings = examine(host)
    assert not any_failed(findings)
    assert any("shared by offhook (pid 7)" in finding.found for finding in findings)


def test_without_conntrack_nothing_is_said_against_it() -> None:
    sysctls = {name: value for name, value in HEALTHY_SYSCTLS.items() if "conntrack" not in name}
    assert not any(finding.advice for finding in examine(Host(sysctls=sysctls)))


class Network:
    """A Reach whose answers are given; who is not named does not answer."""

    def __init__(
        self,
        *,
        names: dict[str, list[str]] | None = None,
        transceivers: dict[str, Identity] | None = None,
        workers: dict[str, bool] | None = None,
    ) -> None:
        self._names, self._transceivers, self._workers = names or {}, transceivers or {}, workers or {}

    async def resolve(self, target: str) -> Sequence[str]:
        return self._names.get(target, [] if target.startswith("dns:") else [target])

    async def identify(self, target: str) -> Identity:
        if target not in self._transceivers:
            raise Unreachable("UNAVAILABLE")
        return self._transceivers[target]

    async def health(self, target: str) -> bool:
        if target not in self._workers:
            raise Unreachable("UNAVAILABLE")
        return self._workers[target]


FIRST, SECOND = "10.0.0.1:7000", "10.0.0.2:7000"


def relay_of(*transceivers: str, workers: Sequence[str] = ()) -> RoleSettings:
    return RoleSettings("relay", [], 1, cluster_id=1, transceivers=transceivers, workers=workers)


async def test_everyone_it_dials_answers() -> None:
    network = Network(
        names={"dns:transceivers:7000": [FIRST, SECOND]},
        transceivers={FIRST: Identity(1, 1, draining=False), SECOND: Identity(1, 2, draining=True)},
        workers={"unix:/w.sock": True},
    )
    findings = await check_role(relay_of("dns:transceivers:7000", workers=["unix:/w.sock"]), Host(), network)
    assert {finding.status for finding in findings} == {Status.OK}
    assert [finding.found for finding in findings[1:]] == [
        "answers as transceiver 1",
        "answers as transceiver 2, draining",
        "answers and takes sessions",
    ]


@pytest.mark.parametrize(
    ("transceivers", "found"),
    [
        ({}, "does not answer: UNAVAILABLE"),
        ({FIRST: Identity(2, 1, draining=False)}, "is of cluster 2, this configuration of 1"),
    ],
)
async def test_a_transceiver_that_is_of_no_use_is_a_failure(transceivers: dict[str, Identity], found: str) -> None:
    findings = await check_role(relay_of(FIRST), Host(), Network(transceivers=transceivers))
    finding = the_one_that_is_not_ok(findings)
    assert finding.status is Status.FAILED
    assert found in finding.found


async def test_two_transceivers_of_one_id_are_a_failure() -> None:
    twin = Identity(1, 5, draining=False)
    findings = await check_role(relay_of(FIRST, SECOND), Host(), Network(transceivers={FIRST: twin, SECOND: twin}))
    assert f"and so does {FIRST}" in the_one_that_is_not_ok(findings).found


async def test_a_name_that_does_not_resolve_is_a_failure() -> None:
    finding = the_one_that_is_not_ok(await check_role(relay_of("dns:nobody:7000"), Host(), Network()))
    assert (finding.status, finding.found) == (Status.FAILED, "the name does not resolve")


async def test_a_worker_that_takes_nothing_is_a_warning_and_one_that_is_silent_a_failure() -> None:
    settings = relay_of(workers=[FIRST, SECOND])
    findings = await check_role(settings, Host(), Network(workers={FIRST: False}))
    assert [finding.status for finding in findings[1:]] == [Status.WARNING, Status.FAILED]


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(str(new_key_file()).replace("'", '"').replace("True", "true"))
    return path


async def test_keys_that_others_may_read_are_a_warning(keys_file: Path) -> None:
    settings = relay_of()._replace(keys_file=keys_file)
    assert not any(finding.advice for finding in await check_role(settings, Host(), Network()))
    finding = the_one_that_is_not_ok(await check_role(settings, Host(public_files=frozenset([keys_file])), Network()))
    assert finding.status is Status.WARNING
    assert f"chmod 600 {keys_file}" in finding.advice


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("{}")], ids=["missing", "empty"])
async def test_keys_that_cannot_be_used_are_a_failure(keys_file: Path, damage: Callable[[Path], object]) -> None:
    damage(keys_file)
    assert any_failed(await check_role(relay_of()._replace(keys_file=keys_file), Host(), Network()))
