"""What a process uses: CPU, memory, descriptors, and what its sockets lost. Read from the kernel, from outside."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# clock_getcpuclockid(3): the clock of a process is its inverted id, with 2 for "running time of all its threads".
_CPU_CLOCK = 2


class Cpu(NamedTuple):
    """What all threads of a process have used, in seconds.

    `running` is exact. `user` and `system` add up to it, in ticks of 10 ms; on kernels that do not account interrupts
    apart, `system` includes the softirq work that its own sends cause.
    """

    running: float
    user: float
    system: float

    def since(self, earlier: "Cpu") -> "Cpu":
        """What was used in between."""
        return Cpu(*(late - early for late, early in zip(self, earlier, strict=True)))

    @property
    def user_share(self) -> float:
        """Share of user time."""
        return self.user / max(self.user + self.system, TICK_S)


class Memory(NamedTuple):
    """Memory of a process in KiB: resident, and resident with shared pages divided among those who share them."""

    rss_kb: int
    pss_kb: int


class Process(NamedTuple):
    """A process under test."""

    pid: int

    @classmethod
    def own(cls) -> Self:
        """This one."""
        return cls(os.getpid())

    def cpu(self) -> Cpu:
        """What it has used so far.

        Raises:
            OSError: there is no such process any more.
        """
        fields = self._read("stat").rpartition(")")[2].split()
        running = time.clock_gettime((~self.pid << 3) | _CPU_CLOCK)
        return Cpu(running, int(fields[11]) * TICK_S, int(fields[12]) * TICK_S)

    def memory(self) -> Memory:
        """What it holds now."""
        sizes = {
            name: int(rest.split()[0])
            for name, _, rest in (line.partition(":") for line in self._read("smaps_rollup").splitlines())
            if name in ("Rss", "Pss")
        }
        return Memory(sizes["Rss"], sizes["Pss"])

    def open_files(self) -> int:
        """Open descriptors."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def threads(self) -> int:
        """Threads."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def _read(self, name: str) -> str:
        return Path(f"/proc/{self.pid}/{name}").read_text()


def machine_busy_s() -> float | None:
    """How long all cores of this machine together have been busy so far, with anything; None where it is not told."""
    try:
        line = Path("/proc/stat").read_text().partition("\n")[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(ticks) for ticks in line[1:9])
    return (user + nice + system + irq + softirq + steal) * TICK_S


def udp_drops(port: int) -> int:
    """Datagrams that sockets bound to this port had no room for, of this network namespace."""
    return sum(int(fields[-1]) for fields in _sockets("udp", port))


def tcp_connections(port: int) -> int:
    """Connections that a server on this port holds, of this network namespace."""
    return sum(fields[3] in _HELD for fields in _sockets("tcp", port))


_HELD: Final = ("01", "08")
"""ESTABLISHED, and CLOSE_WAIT: the client is gone, and the server has not closed its end."""


def _sockets(protocol: str, port: int) -> Iterator[list[str]]:
    """The lines of the kernel's tables for sockets whose own port this is, in fields (proc(5))."""
    for table in (Path(f"/proc/self/net/{protocol}"), Path(f"/proc/self/net/{protocol}6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port:
                yield fields
