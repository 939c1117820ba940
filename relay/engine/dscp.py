"""The DSCP of datagrams on Linux sockets: read with each that comes, and set on each that goes.

The traffic class octet, RFC 2474 section 3 and RFC 3168 section 5; IPv4's TOS and IPv6's Traffic Class alike:

     0   1   2   3   4   5   6   7
    +---+---+---+---+---+---+---+---+
    |         DSCP          |  ECN  |
    +---+---+---+---+---+---+---+---+
"""

import socket
import sys
from collections.abc import Sequence

_ECN_BITS = 2
_INT_BYTES = 4
_IP_RECVTOS = 13  # linux/in.h; Python has no name for it before 3.14

CONTROL_BYTES = socket.CMSG_SPACE(_INT_BYTES)
"""Room for the one control message that is asked for."""

Control = Sequence[tuple[int, int, bytes]]


def report_dscp(opened: socket.socket) -> None:
    """Asks the kernel to tell the class of each datagram received."""
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IP, _IP_RECVTOS, 1)


def dscp_of(control: Control) -> int:
    """The DSCP, 0 to 63, of a datagram received with these control messages."""
    for level, kind, data in control:
        if (level, kind) in ((socket.IPPROTO_IP, socket.IP_TOS), (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)):
            # A byte over IPv4, an int in the host's order over IPv6.
            return int.from_bytes(data, sys.byteorder) >> _ECN_BITS
    return 0


def marked(opened: socket.socket, dscp: int) -> Control:
    """Control messages that send one datagram with this DSCP, as Not-ECT."""
    octet = (dscp << _ECN_BITS).to_bytes(_INT_BYTES, sys.byteorder)
    if opened.family == socket.AF_INET6:
        return [(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, octet)]
    return [(socket.IPPROTO_IP, socket.IP_TOS, octet)]
