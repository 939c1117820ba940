"""The generic NACK: which packets a receiver misses.

RFC 4585 section 6.2.1, https://www.rfc-editor.org/rfc/rfc4585#section-6.2.1, one or more of:

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |     sequence number (PID)     | bitmask of the next 16 (BLP)  |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
"""

from collections.abc import Iterator
from struct import Struct

from transceiver.session.rtcp import TRANSPORT_FEEDBACK, Feedback

MAX_ENTRIES = 64
"""Entries read of one NACK: as many as there are packets that could be sent again."""

_FORMAT = 1
_ENTRY = Struct("!HH")
_SEQUENCE_RANGE = 1 << 16


def is_nack(feedback: Feedback) -> bool:
    """Whether this is a generic NACK."""
    return feedback.packet_type == TRANSPORT_FEEDBACK and feedback.format == _FORMAT


def missing_sequences(control_information: bytes) -> Iterator[int]:
    """The sequence numbers that a NACK asks for, in its own order."""
    for position in range(0, min(len(control_information), MAX_ENTRIES * _ENTRY.size), _ENTRY.size):
        first, following = _ENTRY.unpack_from(control_information, position)
        yield first
        for bit in range(16):
            if following >> bit & 1:
                yield (first + 1 + bit) % _SEQUENCE_RANGE
