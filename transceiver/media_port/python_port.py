"""The `python` media port on a socket: a thin shell around `PythonMediaPort`.

At each wake-up it takes what waits in the socket, where the kernel joins what a relay has sent together (`UDP_GRO`);
what is sent meanwhile leaves together at its end, what is sent at other times at the end of the loop's turn. What is
scheduled leaves by a timer of the event loop, and so as late as the loop is.
"""

import asyncio
import contextlib
import socket
import struct
import time
from typing import Final

from transceiver.media_port.interface import EXPEDITED_FORWARDING, SOCKET_BUFFER_BYTES
from transceiver.media_port.outbox import Outbox
from transceiver.media_port.python_core import PythonMediaPort
from transceiver.media_port.socket_watch import SocketWatch
from wire.address import Address

DATAGRAMS_PER_WAKE_UP: Final = 128
"""Then, at the end of a train, timers and other sockets get their turn."""
MAX_TRAIN_BYTES: Final = 65_536
MAPPED: Final = "::ffff:"

_SOL_UDP: Final = 17
_UDP_GRO: Final = 104
_SEGMENT = struct.Struct("=i")
_CONTROL_BYTES: Final = socket.CMSG_SPACE(_SEGMENT.size)


class SocketPort(PythonMediaPort):
    """Reads and writes one UDP socket from the running event loop. Made by `open_python_port`."""

    def __init__(self, udp: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        host, port = udp.getsockname()[:2]
        super().__init__(Address(host, port), self._send, self._release_at)
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._udp = udp
        self._buffer = memoryview(bytearray(MAX_TRAIN_BYTES))
        self._outbox = Outbox(udp, self.refused)
        self._flushing = False
        self._watch = SocketWatch(loop, udp.fileno(), self._read)

    def close(self) -> None:
        """Closes the socket; what is still to be flushed goes first."""
        if self._timer is not None:
            self._timer.cancel()
        self._watch.close()
        if self._udp.fileno() >= 0:
            self._outbox.flush()
        self._udp.close()

    def _release_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, when - time.monotonic()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.release(time.monotonic())

    def _read(self, now: float) -> tuple[int, bool]:
        self._flushing = True
        try:
            return self._read_trains(now)
        finally:
            self._flush()

    def _read_trains(self, now: float) -> tuple[int, bool]:
        count = 0
        for _ in range(DATAGRAMS_PER_WAKE_UP):
            try:
                size, control, _, sender = self._udp.recvmsg_into([self._buffer], _CONTROL_BYTES)
            except BlockingIOError:
                return count, False
            except ConnectionError:
                # An ICMP error of an earlier send, such as a relay that is gone; the next datagram may be fine.
                continue
            segment = _SEGMENT.unpack(control[0][2])[0] if control else size
            relay = Address(_plain(sender[0]), sender[1])
            train = bytes(self._buffer[:size])
            for start in range(0, size, segment) if size else (0,):
                self.receive(train[start : start + segment], relay, now)
                count += 1
            if count >= DATAGRAMS_PER_WAKE_UP:
                break
        return count, True

    def _send(self, datagram: bytes, relay: Address) -> None:
        self._outbox.push(datagram, relay)
        if not self._flushing:
            # At the end of this turn of the loop, with all that is sent until then.
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._udp.fileno() >= 0:
            self._outbox.flush()


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
        with contextlib.suppress(OSError):  # a kernel before Linux 5.0 joins nothing
            udp.setsockopt(_SOL_UDP, _UDP_GRO, 1)
        udp.bind((listen.host, listen.port))
    except OSError:
        udp.close()
        raise
    return SocketPort(udp, asyncio.get_running_loop())
