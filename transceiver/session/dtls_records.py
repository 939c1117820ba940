"""DTLS records as datagrams hold them, as far as they can be told apart without keys.

RFC 6347 section 4.1, https://www.rfc-editor.org/rfc/rfc6347#section-4.1:

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    | content type  |            version            |     epoch     |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |     epoch     |         sequence number, 48 bit               |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                                               |    length     |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |    length     |  fragment ...
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

Epoch 0 is in the clear.
"""

from collections.abc import Iterator
from typing import Final

MTU: Final = 1200
"""Largest datagram sent: what libwebrtc assumes, and small enough for any path with the relay's envelope."""

_HEADER_BYTES: Final = 13
_CONTENT_TYPES: Final = range(20, 64)
_MAJOR_VERSION: Final = 0xFE
_ALERT: Final = 21
_FATAL: Final = 2
_CLEAR: Final = bytes(2)


def records_fit(datagram: bytes) -> bool:
    """Whether a datagram is a row of whole DTLS records."""
    position = 0
    while position < len(datagram):
        if len(datagram) - position < _HEADER_BYTES:
            return False
        if datagram[position] not in _CONTENT_TYPES or datagram[position + 1] != _MAJOR_VERSION:
            return False
        position = _record_end(datagram, position)
    return position == len(datagram) and position > 0


def without_clear_alerts(datagram: bytes) -> tuple[bytes, bool]:
    """The records of a datagram that `records_fit` less its alerts in the clear; and whether one of those was fatal.

    Anybody who knows the five-tuple can write such an alert.
    """
    records = list(_split(datagram))
    alerts = [record for record in records if record[0] == _ALERT and record[3:5] == _CLEAR]
    if not alerts:
        return datagram, False
    fatal = any(record[_HEADER_BYTES : _HEADER_BYTES + 1] == bytes([_FATAL]) for record in alerts)
    return b"".join(record for record in records if record not in alerts), fatal


def pack_records(records: bytes) -> list[bytes]:
    """Cuts what OpenSSL wrote into datagrams of whole records, at most MTU long.

    A memory buffer keeps no boundaries, and a flight in one piece could exceed the path's MTU.
    """
    datagrams: list[bytes] = []
    for record in _split(records):
        if datagrams and len(datagrams[-1]) + len(record) <= MTU:
            datagrams[-1] += record
        else:
            datagrams.append(record)
    return datagrams


def _split(records: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(records):
        end = _record_end(records, position)
        yield records[position:end]
        position = end


def _record_end(records: bytes, position: int) -> int:
    length = int.from_bytes(records[position + 11 : position + 13], "big")
    return position + _HEADER_BYTES + length
