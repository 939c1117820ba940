"""Packets kept for a while, in case the client misses one and says so (generic NACK, RFC 4585 section 6.2.1).

https://www.rfc-editor.org/rfc/rfc4585#section-6.2.1. The very same packet goes out again under the same SSRC: audio is
mostly negotiated without the retransmission payload format of RFC 4588, and a receiver drops what it has already.

What one request can cause is bounded three ways: by the packets held, by how often each of them is sent again, and by
a credit that grows with what is sent anyway.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HISTORY_PACKETS: Final = 64
"""More than a second of the usual frames of 20 ms."""
MAX_AGE_S: Final = 1.0
"""No jitter buffer of a call waits longer."""
MAX_REPEATS: Final = 3
CREDIT_PER_PACKET: Final = 0.5
"""Enough for a loss of 30 %, retransmissions included."""
MAX_CREDIT: Final = 16.0

_MIN_INTERVAL_S: Final = 0.02


@dataclass(slots=True)
class _Repeats:
    packet: bytes
    last_at: float
    count: int = 0


class RetransmissionHistory:
    """The last packets of one outgoing stream."""

    def __init__(self) -> None:
        # A packet's place is its sequence number modulo HISTORY_PACKETS: it takes that of the one 64 before it.
        self._packets: list[tuple[int, bytes, float] | None] = [None] * HISTORY_PACKETS
        self._repeats: dict[int, _Repeats] = {}
        self._credit = MAX_CREDIT

    def add(self, sequence: int, packet: bytes, now: float) -> None:
        """Keeps a packet that is sent now for the first time."""
        self._packets[sequence % HISTORY_PACKETS] = (sequence, packet, now)
        if self._credit < MAX_CREDIT:
            self._credit = min(MAX_CREDIT, self._credit + CREDIT_PER_PACKET)

    def repeat(self, sequences: Iterable[int], now: float, round_trip_s: float) -> tuple[list[bytes], bool]:
        """The packets to send again, and whether the credit was too small for some of them.

        One that was sent within the last round trip may be under way still, and is not sent again.
        """
        found: list[bytes] = []
        interval = max(_MIN_INTERVAL_S, round_trip_s)
        for sequence in sequences:
            place = sequence % HISTORY_PACKETS
            sent = self._packets[place]
            if sent is None or sent[0] != sequence or now - sent[2] > MAX_AGE_S:
                continue
            packet = sent[1]
            repeats = self._repeats.get(place)
            if repeats is None or repeats.packet is not packet:
                repeats = self._repeats[place] = _Repeats(packet, now)
            if repeats.count >= MAX_REPEATS or (repeats.count and now - repeats.last_at < interval):
                continue
            if self._credit < 1:
                return found, True
            self._credit -= 1
            repeats.count += 1
            repeats.last_at = now
            found.append(packet)
        return found, False
