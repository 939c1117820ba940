"""A UDP socket of a test that marks what it sends and sees the marks of what it receives."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.udp_peer import until
from wire.address import Address

_IP_RECVTOS = 13  # linux/in.h
_TRAFFIC_CLASSES = ((socket.IPPROTO_IP, socket.IP_TOS), (socket.IPPROTO_IPV6, socket.IPV6_TCLASS))


class MarkedPeer:
    """Make it with `marked_peer`. A traffic class is the octet: DSCP in the upper six bits, ECN in the lower two."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._ipv6 = opened.family == socket.AF_INET6
        self._received: list[tuple[bytes, int]] = []
        host, port = opened.getsockname()[:2]
        self.address = Address(host, port)

    def send(self, datagram: bytes, destination: Address, traffic_class: int) -> None:
        level, option = _TRAFFIC_CLASSES[self._ipv6]
        self._socket.setsockopt(level, option, traffic_class)
        self._socket.sendto(datagram, destination)

    async def receive(self) -> tuple[bytes, int]:
        """The next datagram and its traffic class."""
        await until(self._take, "a datagram arrives")
        return self._received.pop(0)

    def _take(self) -> bool:
        try:
            datagram, control, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(4))
        except BlockingIOError:
            return bool(self._received)
        ((level, option, data),) = control
        assert (level, option) == _TRAFFIC_CLASSES[self._ipv6]
        self._received.append((datagram, max(data)))
        return True


@contextmanager
def marked_peer(host: str) -> Iterator[MarkedPeer]:
    """A socket bound to a free port of `host`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as opened:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IP, _IP_RECVTOS, 1)
        opened.bind((host, 0))
        yield MarkedPeer(opened)
