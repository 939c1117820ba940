"""Judgements about the host that hold for every role."""

from collections.abc import Sequence
from typing import NamedTuple

from offhook.doctor.finding import Finding, failed, ok, warning
from offhook.doctor.probe import Probe, Transport
from wire.address import Address, format_address

SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
"""What relays and transceivers ask for per socket; the kernel grants at most net.core.rmem_max and wmem_max."""
OPEN_FILES = 4096
"""A transceiver's API connections at its thousand sessions, and room."""
LEAST_PYTHON = (3, 11)
CLOCKS_APART_S = 0.05
CONNTRACK_ENTRIES = 131_072
CONNTRACK_FULL = 0.8
CONSENT_S = 30
"""RFC 7675: a client may be silent for so long; a NAT or firewall that forgets it earlier cuts the call."""


class Port(NamedTuple):
    """A port that is to be bound.

    Attributes:
        shared: whether relays or transceivers share it among themselves.
    """

    transport: Transport
    address: Address
    shared: bool


def check_host(probe: Probe, ports: Sequence[Port], busy: int) -> list[Finding]:
    """Everything below.

    Args:
        probe: asks the host.
        ports: to be bound.
        busy: processes or threads that will each want a core.
    """
    return [
        python(probe),
        native(probe),
        socket_buffers(probe, "receive", "net.core.rmem_max"),
        socket_buffers(probe, "send", "net.core.wmem_max"),
        segmentation(probe),
        coalescing(probe),
        port_sharing(probe),
        *(port(probe, wanted) for wanted in ports),
        clocks(probe),
        open_files(probe),
        cores(probe, busy),
        conntrack(probe),
    ]


def python(probe: Probe) -> Finding:
    """Old enough interpreters do not start."""
    found = ".".join(map(str, probe.python_version()))
    if probe.python_version() < LEAST_PYTHON:
        return failed("python", found, f"install Python {'.'.join(map(str, LEAST_PYTHON))} or newer")
    return ok("python", found)


def native(probe: Probe) -> Finding:
    """The quick relay engine and media port, and the data channel, are in the native module."""
    profile = probe.native_profile()
    if profile is None:
        return warning(
            "native data path",
            "not installed: relays and media ports run on Python, and there is no data channel",
            "install offhook[native], or build it with `make setup` where cargo is",
        )
    if profile != "release":
        return warning("native data path", f"{profile} build, several times slower", "build it with cargo's --release")
    return ok("native data path", "release build")


def socket_buffers(probe: Probe, direction: str, setting: str) -> Finding:
    """The kernel silently cuts what a process asks for."""
    check, limit = f"{direction} buffer", probe.sysctl(setting)
    if limit is None:
        return warning(check, f"{setting} cannot be read", "look at it outside of this container, on the node")
    if limit < SOCKET_BUFFER_BYTES:
        return warning(
            check,
            f"{setting} is {limit}, relays and transceivers ask for {SOCKET_BUFFER_BYTES}: bursts are lost",
            f"sysctl -w {setting}={SOCKET_BUFFER_BYTES}, and the same in /etc/sysctl.d to keep it",
        )
    return ok(check, f"{setting} is {limit}")


def segmentation(probe: Probe) -> Finding:
    """Without GSO every datagram to a transceiver is a system call's worth of work."""
    problem = probe.gso_problem()
    if problem is not None:
        return warning("UDP GSO", problem, "use Linux 4.18 or newer; it works without, at a higher cost per packet")
    return ok("UDP GSO", "UDP_SEGMENT works")


def coalescing(probe: Probe) -> Finding:
    """The same for datagrams from transceivers."""
    problem = probe.gro_problem()
    if problem is not None:
        return warning("UDP GRO", problem, "use Linux 5.0 or newer; it works without, at a higher cost per packet")
    return ok("UDP GRO", "UDP_GRO works")


def port_sharing(probe: Probe) -> Finding:
    """Relays share their port, and so do the threads of one."""
    problem = probe.reuseport_problem()
    if problem is not None:
        return failed("SO_REUSEPORT", problem, "use Linux 3.9 or newer, not a sandbox that leaves it out")
    return ok("SO_REUSEPORT", "two sockets share a port")


def port(probe: Probe, wanted: Port) -> Finding:
    """Free, or held by those who share it."""
    check = f"port {format_address(wanted.address)}/{wanted.transport.value}"
    use = probe.port_use(wanted.transport, wanted.address)
    if use.exclusive is None:
        return ok(check, "free")
    owners = ", ".join(use.owners) or "a process that this user may not see"
    if wanted.shared and use.shared is None:
        return ok(check, f"shared by {owners}; another one may join")
    if "in use" in use.exclusive:
        return failed(
            check, f"taken by {owners}", "stop that process, unless it is this very role, or choose another port"
        )
    return failed(check, use.exclusive, "choose an address of this host, and a port that this user may bind")


def clocks(probe: Probe) -> Finding:
    """Media is paced by the monotonic clock; certificates and logs go by the other."""
    readings = probe.clocks()
    elapsed, elapsed_realtime = (last - first for first, last in (readings.monotonic, readings.realtime))
    if elapsed <= 0:
        return failed("clock", "the monotonic clock stands still or runs back", "change the host's clock source")
    if readings.realtime[1] < readings.installed_at:
        return failed("clock", "the date is before this software was installed", "set the date: run chrony or ntpd")
    if abs(elapsed - elapsed_realtime) > CLOCKS_APART_S:
        return warning(
            "clock",
            f"the wall clock jumped by {elapsed_realtime - elapsed:+.2f} s while it was looked at",
            "let chrony slew it rather than step it, and look again",
        )
    return ok("clock", "monotonic and wall clock advance alike")


def open_files(probe: Probe) -> Finding:
    """Every API connection is one."""
    limit = probe.open_files_limit()
    if limit < OPEN_FILES:
        return warning("open files", f"limit {limit}", f"ulimit -n {OPEN_FILES}, or LimitNOFILE in the unit")
    return ok("open files", f"limit {limit}")


def cores(probe: Probe, busy: int) -> Finding:
    """A relay's threads are pinned; more of them than cores take turns."""
    available, quota = probe.cores(), probe.cpu_quota()
    if quota is not None and quota < min(busy, available):
        return warning(
            "cores",
            f"{available}, but the cgroup grants {quota:g} cores' worth: it pauses what uses more, for tens of ms",
            f"lift the CPU limit, or run {max(int(quota), 1)} relay threads or processes",
        )
    if busy > available:
        return warning("cores", f"{available} for {busy} busy processes or threads", "run fewer of them, or add cores")
    return ok("cores", f"{available} for {busy} busy processes or threads")


def conntrack(probe: Probe) -> Finding:
    """Where it is loaded, every client's flow is an entry; in a full table new clients are dropped without a word."""
    check, most = "conntrack", probe.sysctl("net.netfilter.nf_conntrack_max")
    if most is None:
        return ok(check, "not loaded, or not to be seen from here")
    held = probe.sysctl("net.netfilter.nf_conntrack_count") or 0
    timeout_s = probe.sysctl("net.netfilter.nf_conntrack_udp_timeout_stream")
    found = f"{held} of {most} entries in use"
    exempt = "or exempt the media port: iptables -t raw -A PREROUTING -p udp --dport PORT -j CT --notrack"
    if held > most * CONNTRACK_FULL or most < CONNTRACK_ENTRIES:
        larger = max(2 * most, CONNTRACK_ENTRIES)
        return warning(check, found, f"sysctl -w net.netfilter.nf_conntrack_max={larger}, {exempt}")
    if timeout_s is not None and timeout_s < CONSENT_S:
        advice = f"sysctl -w net.netfilter.nf_conntrack_udp_timeout_stream=120, {exempt}"
        return warning(check, f"forgets a flow after {timeout_s} s, a silent client lives for {CONSENT_S} s", advice)
    return ok(check, found)
