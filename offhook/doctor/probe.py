"""What is asked of a host. `Probe` is the seam: checks see it, `SystemProbe` (in `system`) and tests implement it."""

from enum import Enum
from pathlib import Path
from typing import NamedTuple, Protocol

from wire.address import Address


class Transport(Enum):
    """Of a port."""

    UDP = "udp"
    TCP = "tcp"


class Clocks(NamedTuple):
    """Two readings of both clocks, some time apart, in seconds; `installed_at` is when this software was unpacked."""

    monotonic: tuple[float, float]
    realtime: tuple[float, float]
    installed_at: float


class PortUse(NamedTuple):
    """Attempts to bind a port.

    Attributes:
        exclusive: why it cannot be had for oneself; None if it can.
        shared: why it cannot be had with SO_REUSEPORT; None if it can.
        owners: processes that have it, as `name (pid 123)`, as far as this user may see them.
    """

    exclusive: str | None
    shared: str | None
    owners: tuple[str, ...]


class Probe(Protocol):
    """Questions to a host. A problem is a text that says why not; None is none."""

    def sysctl(self, name: str) -> int | None:
        """A kernel setting such as `net.core.rmem_max`; None if the kernel has none of that name."""

    def gso_problem(self) -> str | None:
        """Sends a train of datagrams over loopback with UDP_SEGMENT."""

    def gro_problem(self) -> str | None:
        """Receives such a train whole with UDP_GRO."""

    def reuseport_problem(self) -> str | None:
        """Binds one UDP port twice with SO_REUSEPORT."""

    def port_use(self, transport: Transport, address: Address) -> PortUse:
        """Tries to bind a port; nothing stays bound."""

    def clocks(self) -> Clocks:
        """Reads both clocks, waits a moment, and reads them again."""

    def open_files_limit(self) -> int:
        """The soft limit of this process, which those that it starts inherit."""

    def cores(self) -> int:
        """Cores that this process may run on."""

    def cpu_quota(self) -> float | None:
        """Cores' worth of time that its cgroup grants; None if unlimited."""

    def python_version(self) -> tuple[int, int]:
        """Major and minor."""

    def native_profile(self) -> str | None:
        """Cargo profile of the native module; None if it is not installed."""

    def readable_by_others(self, path: Path) -> bool:
        """Whether anyone but a file's owner may read it. OSError if it cannot be looked at."""
