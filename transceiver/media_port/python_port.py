"""The `python` media port on a socket: a thin shell around `PythonMediaPort`.

What is scheduled leaves by a timer of the event loop, and so as late as the loop is.
"""

import asyncio
import socket
import time

from transceiver.media_port.interface import EXPEDITED_FORWARDING, SOCKET_BUFFER_BYTES
from transceiver.media_port.python_core import MAX_DATAGRAM_BYTES, PythonMediaPort
from transceiver.media_port.socket_watch import SocketWatch
from wire.address import Address

DATAGRAMS_PER_WAKE_UP = 128
"""Then timers and other sockets get their turn."""
MAPPED = "::ffff:"


class SocketPort(PythonMediaPort):
    """Reads and writes one UDP socket from the running event loop. Made by `open_python_port`."""

    def __init__(self, udp: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        host, port = udp.getsockname()[:2]
        super().__init__(Address(host, port), self._send, self._release_at)
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._udp = udp
        self._watch = SocketWatch(loop, udp.fileno(), self._read)

    def close(self) -> None:
        """Closes the socket."""
        if self._timer is not None:
            self._timer.cancel()
        self._watch.close()
        self._udp.close()

    def _release_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, when - time.monotonic()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.release(time.monotonic())

    def _read(self, now: float) -> tuple[int, bool]:
        for count in range(DATAGRAMS_PER_WAKE_UP):
            try:
                # One byte more than is accepted shows that a datagram was longer.
                datagram, sender = self._udp.recvfrom(MAX_DATAGRAM_BYTES + 1)
            except BlockingIOError:
                return count, False
            except ConnectionError:
                # An ICMP error of an earlier send, such as a relay that is gone; the next datagram may be fine.
                continue
            self.receive(datagram, Address(_plain(sender[0]), sender[1]), now)
        return DATAGRAMS_PER_WAKE_UP, True

    def _send(self, datagram: bytes, relay: Address) -> bool:
        try:
            self._udp.sendto(datagram, (self._as_dialled(relay.host), relay.port))
        except OSError:
            # A full buffer, or a network that is not there: media does not wait, and the port counts it.
            return False
        return True

    def _as_dialled(self, host: str) -> str:
        """An IPv6 socket reaches IPv4 under a mapped address (RFC 4291 section 2.5.5.2)."""
        return MAPPED + host if self._udp.family == socket.AF_INET6 and ":" not in host else host


def _plain(host: str) -> str:
    """An IPv4 sender as everything else names it, whatever the socket that heard it."""
    return host.removeprefix(MAPPED) if "." in host else host


async def open_python_port(listen: Address, dscp: int = EXPEDITED_FORWARDING) -> PythonMediaPort:
    """Opens the UDP socket; port 0 picks one.

    `now` towards the sink is `time.monotonic()`. All that the socket sends is marked with `dscp`, checks and DTLS as
    well as RTP: packets of one five-tuple that routers treat differently overtake each other (RFC 7657 section 5.1).
    ECN stays Not-ECT.

    Raises:
        OSError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            # On [::] relays of both families are heard.
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            udp.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)  # also what an IPv6 socket sends to IPv4 relays
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
        udp.bind((listen.host, listen.port))
    except OSError:
        udp.close()
        raise
    return SocketPort(udp, asyncio.get_running_loop())
