"""Whether others listen on a TCP port beside us (SO_REUSEPORT), as Linux tells it in /proc/net."""

import socket
import sys
from pathlib import Path
from typing import Final

from wire.address import Address

_LISTEN: Final = "0A"
_WORD_BYTES: Final = 4


def listeners_at(address: Address) -> int:
    """How many sockets of this network namespace listen at exactly `address`; 0 where that cannot be told."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    wanted = _as_proc_writes_it(family, address)
    try:
        lines = Path("/proc/net/tcp6" if family is socket.AF_INET6 else "/proc/net/tcp").read_text().splitlines()
    except OSError:
        return 0
    # sl, local address, remote address, state, ...
    return sum(fields[1] == wanted and fields[3] == _LISTEN for line in lines[1:] if len(fields := line.split()) > 3)


def _as_proc_writes_it(family: socket.AddressFamily, address: Address) -> str:
    """32-bit words in the machine's byte order, in hexadecimal."""
    octets = socket.inet_pton(family, address.host)
    words = (octets[start : start + _WORD_BYTES] for start in range(0, len(octets), _WORD_BYTES))
    host = "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
    return f"{host}:{address.port:04X}"
