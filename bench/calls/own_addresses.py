"""Where callers are: which addresses of this machine they have."""

import socket
from typing import Final

from bench.machine import CannotMeasure

FIRST_ON_LOOPBACK: Final = "127.64.0.1"


def first_address(host: str, *, calls: int) -> str:
    """Of the callers: on the loopback network, or, one alone, at the address from which the target is reached.

    Raises:
        CannotMeasure: the target is elsewhere and the callers are many.
        OSError: no way leads there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        own: str = probe.getsockname()[0]
    if own.startswith("127."):
        return FIRST_ON_LOOPBACK
    if calls > 1:
        raise CannotMeasure("several callers need an address each: --first-address names the first of them")
    return own
