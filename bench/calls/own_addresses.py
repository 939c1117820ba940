"""Where callers are: which addresses of this machine they have."""

import socket
from typing import Final

FIRST_ON_LOOPBACK: Final = "127.64.0.1"


def own_address(host: str) -> tuple[str, bool]:
    """The first address of the callers, and whether all have that one, and a port of their own each.

    On the loopback network each has an address, so that one socket serves them all; elsewhere they share the address
    from which the target is reached.

    Raises:
        OSError: no way leads there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        own: str = probe.getsockname()[0]
    return (FIRST_ON_LOOPBACK, False) if own.startswith("127.") else (own, True)
