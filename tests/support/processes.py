"""Waiting for processes and conditions, with a deadline."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from wire.address import Address


def is_running(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def await_condition(condition: Callable[[], bool], what: str, *, within_s: float = 20.0) -> None:
    """Returns once `condition` holds.

    Raises:
        AssertionError: it did not hold in time; the message says what was waited for.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(0.02)  # polls another process; nothing here to await


def await_end(pids: Iterable[int]) -> None:
    """Returns once none of the processes is running."""
    left = list(pids)
    await_condition(lambda: not any(is_running(pid) for pid in left), f"end of processes {left}")


def udp_addresses(pid: int) -> list[Address]:
    """The IPv4 UDP sockets of a process, as bound."""
    links = [str(descriptor.readlink()) for descriptor in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]]
    return [_address(row[1]) for row in rows if row[9] in inodes]


def _address(text: str) -> Address:
    host, port = text.split(":")
    return Address(".".join(str(byte) for byte in reversed(bytes.fromhex(host))), int(port, 16))
