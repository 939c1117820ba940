"""What a figure was taken on; it stands beside every one."""

import os
import platform
import shutil
from pathlib import Path
from typing import Any


class CannotMeasure(Exception):
    """This machine lacks something that a benchmark needs; the message says what."""


def machine() -> dict[str, Any]:
    """Processor, cores, kernel and Python of this machine, and how busy it has been (over 1, 5 and 15 minutes)."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return {
        "cpu": next(names, platform.machine()),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg(),
    }


def require_cores(count: int) -> None:
    """Checks for cores, and for the tool that binds processes to them.

    Raises:
        CannotMeasure: there are fewer, or there is no `taskset`.
    """
    if (os.cpu_count() or 1) < count:
        raise CannotMeasure(f"needs {count} cores, one for the server and one for the load")
    if shutil.which("taskset") is None:
        raise CannotMeasure("needs 'taskset'")
