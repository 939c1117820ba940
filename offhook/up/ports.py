"""Ports that several processes share.

Relays share the media port and transceivers the HTTP port by SO_REUSEPORT. That option would also let a second fabric
join the first one's ports by accident, so a port is claimed exclusively before it is shared.
"""

import errno
import socket
from dataclasses import dataclass

from wire.address import Address, format_address


class PortInUse(Exception):
    """The port is taken by another process; the message says by which address."""


@dataclass
class Reservation:
    """A port held for this fabric.

    The holding socket takes no traffic for TCP; a UDP one must be released once the processes that share the port have
    bound it, else the kernel would hash clients to it.
    """

    address: Address
    _socket: socket.socket

    def release(self) -> None:
        """Lets go of the port; sockets that share it keep it."""
        self._socket.close()


def reserve(wanted: Address, kind: socket.SocketKind) -> Reservation:
    """Claims `wanted` (port 0: any free port) for processes that will bind it with SO_REUSEPORT.

    Raises:
        PortInUse: another process has it.
    """
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    try:
        with socket.socket(family, kind) as exclusive:
            exclusive.bind(tuple(wanted))
            port = exclusive.getsockname()[1]
        shared = socket.socket(family, kind)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind((wanted.host, port))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            raise
        raise PortInUse(f"{format_address(wanted)}: {error.strerror}") from error
    return Reservation(Address(wanted.host, port), shared)
