"""What the `python` media port sends: collected for a turn of the loop, then sent in as few system calls as it fits.

Datagrams to one relay that have the same length leave as one train, which the kernel cuts into datagrams (`UDP_SEGMENT`
of udp(7), https://man7.org/linux/man-pages/man7/udp.7.html); the order within a path is kept. The native port does the
same in `datapath/src/media/outbox.rs`.
"""

import socket
import struct
from collections.abc import Callable
from typing import Final

from wire.address import Address
from wire.spp import HEADER_BYTES

MAX_QUEUED: Final = 512
"""Datagrams that wait, at most; then they leave before the next one."""
MAX_TRAIN: Final = 64
"""The kernel's UDP_MAX_SEGMENTS before Linux 6.10."""
MAX_TRAIN_BYTES: Final = 65_507
"""What a UDP payload can be over IPv4."""

_SOL_UDP: Final = 17
_UDP_SEGMENT: Final = 103
_SEGMENT = struct.Struct("=H")
_MAPPED: Final = "::ffff:"


class Outbox:
    """Datagrams of all sessions, each in its envelope, on their way to the relays.

    Args:
        udp: where they leave.
        refused: called with the number of datagrams that the network did not take, and their bytes.
    """

    def __init__(self, udp: socket.socket, refused: Callable[[int, int], None]) -> None:
        self._udp = udp
        self._refused = refused
        self._is_ipv6 = udp.family == socket.AF_INET6
        self._trains: dict[tuple[Address, int], list[bytes]] = {}
        self._lengths: dict[bytes, int] = {}
        self._queued = 0

    def push(self, datagram: bytes, relay: Address) -> None:
        """Adds one."""
        length = len(datagram)
        # Two lengths of one path would be two trains, of which the wrong one might leave first.
        if self._lengths.setdefault(datagram[:HEADER_BYTES], length) != length or self._queued >= MAX_QUEUED:
            self.flush()
            self._lengths[datagram[:HEADER_BYTES]] = length
        self._queued += 1
        train = self._trains.get((relay, length))
        if train is None:
            self._trains[relay, length] = [datagram]
        else:
            train.append(datagram)

    def flush(self) -> None:
        """Sends all of them."""
        trains, self._trains = self._trains, {}
        self._lengths.clear()
        self._queued = 0
        for (relay, length), datagrams in trains.items():
            most = max(1, min(MAX_TRAIN, MAX_TRAIN_BYTES // length))
            for start in range(0, len(datagrams), most):
                self._send(datagrams[start : start + most], length, self._as_dialled(relay))

    def _send(self, train: list[bytes], length: int, relay: tuple[str, int]) -> None:
        if len(train) == 1:
            self._send_single(train[0], relay)
            return
        try:
            self._udp.sendmsg(train, [(_SOL_UDP, _UDP_SEGMENT, _SEGMENT.pack(length))], 0, relay)
        except BlockingIOError:
            # The socket's buffer is full: media does not wait.
            self._refused(len(train), len(train) * length)
        except OSError:
            # The kernel cannot send it as a train: a segment beyond the path's MTU, or a device that cannot do the
            # checksums. One by one it can, in fragments if need be.
            for datagram in train:
                self._send_single(datagram, relay)

    def _send_single(self, datagram: bytes, relay: tuple[str, int]) -> None:
        try:
            self._udp.sendto(datagram, relay)
        except OSError:
            # A full buffer, or a network that is not there.
            self._refused(1, len(datagram))

    def _as_dialled(self, relay: Address) -> tuple[str, int]:
        """An IPv6 socket reaches IPv4 under a mapped address (RFC 4291 section 2.5.5.2)."""
        return (_MAPPED + relay.host, relay.port) if self._is_ipv6 and ":" not in relay.host else relay
