"""Where a thread spends its running time: its own code, the kernel for its system calls, or softirq.

The scheduler's clock tells how long a thread ran, not where, and the kernel's ticks are too few. So a run of its own is
sampled: `perf record` interrupts the thread by a timer while it runs, and the stack says what it was doing.
"""

import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

SAMPLES_PER_S: Final = 4000
LONGEST_S: Final = 60
FIRST_KERNEL_ADDRESS: Final = 1 << 63
SOFTIRQ_FUNCTIONS: Final = {"handle_softirqs", "__do_softirq"}
METHOD: Final = (
    f"shares of {SAMPLES_PER_S} samples per second of running time (perf, cpu-clock) in a round of their own: user "
    "code, softirq (on the stack: handle_softirqs, mostly what its own sends cause), and the rest of the kernel"
)


class CpuSplit(NamedTuple):
    """Shares of running time, together 1, and how many samples they come from."""

    user: float
    system: float
    softirq: float
    samples: int


def can_split() -> bool:
    """Whether this machine has `perf`."""
    return shutil.which("perf") is not None


@contextmanager
def sampled(thread_id: int, file: Path) -> Iterator[None]:
    """Samples a thread into `file` while the context lasts."""
    command = ["perf", "record", "-q", "-g", "-e", "cpu-clock", "-F", str(SAMPLES_PER_S), "-t", str(thread_id)]
    command += ["-o", str(file), "--", "sleep", str(LONGEST_S)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as perf:  # noqa: S603 - built above
        try:
            yield
        finally:
            perf.send_signal(signal.SIGINT)


def split_of(file: Path) -> CpuSplit:
    """Reads what `sampled` has written."""
    command = ["perf", "script", "-i", str(file), "-F", "ip,sym"]
    script = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - built above
    return split_of_stacks(script.split("\n\n"))


def split_of_stacks(stacks: Iterable[str]) -> CpuSplit:
    """Sorts samples, each a line `address symbol` for every frame, the innermost first."""
    user = system = softirq = 0
    for stack in stacks:
        frames = [line.split(None, 1) for line in stack.splitlines() if line.strip()]
        if not frames:
            continue
        if int(frames[0][0], 16) < FIRST_KERNEL_ADDRESS:
            user += 1
        elif SOFTIRQ_FUNCTIONS & {symbol for _, *symbols in frames for symbol in symbols}:
            softirq += 1
        else:
            system += 1
    samples = user + system + softirq
    return CpuSplit(*(round(part / max(samples, 1), 4) for part in (user, system, softirq)), samples)
