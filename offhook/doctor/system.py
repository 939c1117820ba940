"""The Probe of the machine that this runs on: Linux."""

import contextlib
import importlib.util
import os
import resource
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import offhook
from offhook.doctor.probe import Clocks, PortUse, Transport
from wire.address import Address

# linux/udp.h; Python has no names for them.
UDP_SEGMENT, UDP_GRO = 103, 104
SEGMENT_BYTES, SEGMENTS = 100, 3
CLOCK_INTERVAL_S = 0.1
RECEIVE_WITHIN_S = 1.0


class SystemProbe:
    """Implements Probe. Touches loopback and /proc only."""

    def sysctl(self, name: str) -> int | None:
        """See Probe."""
        try:
            return int(Path("/proc/sys", *name.split(".")).read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def gso_problem(self) -> str | None:
        """See Probe."""
        try:
            with _loopback_pair() as (sender, receiver):
                _send_train(sender, receiver)
                sizes = [len(receiver.recv(2048)) for _ in range(SEGMENTS)]
        except OSError as error:
            return _reason(error)
        return None if sizes == [SEGMENT_BYTES] * SEGMENTS else f"a train arrived as datagrams of {sizes} bytes"

    def gro_problem(self) -> str | None:
        """See Probe."""
        try:
            with _loopback_pair() as (sender, receiver):
                receiver.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
                _send_train(sender, receiver)
                train, controls, *_ = receiver.recvmsg(2048, socket.CMSG_SPACE(4))
        except OSError as error:
            return _reason(error)
        arrived_whole = len(train) == SEGMENT_BYTES * SEGMENTS
        return None if arrived_whole and controls else f"of a train, {len(train)} bytes arrived at once"

    def reuseport_problem(self) -> str | None:
        """See Probe."""
        try:
            with (
                _bound(Transport.UDP, Address("127.0.0.1", 0), shared=True) as first,
                _bound(Transport.UDP, Address("127.0.0.1", first.getsockname()[1]), shared=True),
            ):
                return None
        except OSError as error:
            return _reason(error)

    def port_use(self, transport: Transport, address: Address) -> PortUse:
        """See Probe."""
        exclusive = _bind_problem(transport, address, shared=False)
        if exclusive is None:
            return PortUse(None, None, ())
        owners = tuple(_owners(transport, address.port))
        return PortUse(exclusive, _bind_problem(transport, address, shared=True), owners)

    def clocks(self) -> Clocks:
        """See Probe."""
        first = (time.monotonic(), time.time())
        time.sleep(CLOCK_INTERVAL_S)
        second = (time.monotonic(), time.time())
        installed_at = Path(offhook.__file__).stat().st_mtime
        return Clocks((first[0], second[0]), (first[1], second[1]), installed_at)

    def open_files_limit(self) -> int:
        """See Probe."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return sys.maxsize if soft == resource.RLIM_INFINITY else soft

    def cores(self) -> int:
        """See Probe."""
        return len(os.sched_getaffinity(0))

    def cpu_quota(self) -> float | None:
        """See Probe; cgroup v2, as a container sees its own."""
        try:
            quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        except (OSError, ValueError):
            return None
        return None if quota == "max" else int(quota) / int(period)

    def python_version(self) -> tuple[int, int]:
        """See Probe."""
        return sys.version_info[:2]

    def native_profile(self) -> str | None:
        """See Probe."""
        if importlib.util.find_spec("offhook_datapath") is None:
            return None
        # Here and not above: the module may be missing.
        from offhook_datapath import build_info  # noqa: PLC0415  (reason: the line above)

        return build_info().profile

    def readable_by_others(self, path: Path) -> bool:
        """See Probe."""
        return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


@contextlib.contextmanager
def _loopback_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(RECEIVE_WITHIN_S)
        yield sender, receiver


def _send_train(sender: socket.socket, receiver: socket.socket) -> None:
    control = (socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", SEGMENT_BYTES))
    sender.sendmsg([bytes(SEGMENT_BYTES * SEGMENTS)], [control], 0, receiver.getsockname())


@contextlib.contextmanager
def _bound(transport: Transport, address: Address, *, shared: bool) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    kind = socket.SOCK_DGRAM if transport is Transport.UDP else socket.SOCK_STREAM
    with socket.socket(family, kind) as opened:
        if transport is Transport.TCP:
            # As servers do: connections of one that has ended must not look like one that runs.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(tuple(address))
        yield opened


def _bind_problem(transport: Transport, address: Address, *, shared: bool) -> str | None:
    try:
        with _bound(transport, address, shared=shared):
            return None
    except OSError as error:
        return _reason(error)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _owners(transport: Transport, port: int) -> Iterator[str]:
    """Processes with a socket bound to the port, as far as /proc shows their descriptors to this user."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(transport, port)}
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            links = {str(descriptor.readlink()) for descriptor in (process / "fd").iterdir()}
            name = (process / "comm").read_text().strip()
        except OSError:
            continue  # it has ended, or is another user's
        if links & inodes:
            yield f"{name} (pid {process.name})"


def _inodes(transport: Transport, port: int) -> Iterator[str]:
    """Of listening or unconnected sockets. Rows of /proc/net/udp: slot, local, remote, state, ..., inode at 9."""
    for table in (transport.value, f"{transport.value}6"):
        with contextlib.suppress(OSError):  # a kernel without IPv6
            for row in Path("/proc/net", table).read_text().splitlines()[1:]:
                fields = row.split()
                if int(fields[1].rpartition(":")[2], 16) == port and fields[2].endswith(":0000"):
                    yield fields[9]
