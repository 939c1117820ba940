"""Transport-wide congestion control: the packet that tells a client when each of its packets came.

https://datatracker.ietf.org/doc/html/draft-holmer-rmcat-transport-wide-cc-extensions-01#section-3.1

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |V=2|P| FMT=15  |    PT=205     |           length              |
    |                     SSRC of packet sender                     |
    |                      SSRC of media source                     |
    |      base sequence number     |      packet status count      |
    |         reference time in 64 ms               | feedback count|
    |  packet chunks, 16 bit each, then receive deltas in 250 us    |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

A chunk is a run, `0 | symbol 2 bit | length 13 bit`, or a vector: `1 0 | 14 symbols of 1 bit` or
`1 1 | 7 symbols of 2 bit`. A symbol says of one packet: 0 not received, 1 received with a delta of one byte (unsigned),
2 received with a delta of two bytes (signed). A delta counts from the packet before it, the first one from the
reference time. Padding is RTCP's: its last byte is its length.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from struct import Struct
from typing import Final, cast

from transceiver.session.rtcp import TRANSPORT_FEEDBACK

TICKS_PER_SECOND: Final = 4000
"""Arrival times are in units of 250 us."""

_HEADER = Struct("!BBHIIHH")
_FIRST_OCTET: Final = 0x80 | 15
_PADDING: Final = 0x20
_TICKS_PER_REFERENCE: Final = 256
_MISSING, _SMALL, _LARGE = 0, 1, 2
_MAX_DELTA: Final = (1 << 15) - 1
_MAX_RUN: Final = (1 << 13) - 1
_ONE_BIT_SYMBOLS: Final = 14
_TWO_BIT_SYMBOLS: Final = 7


def build_transport_feedback(
    sender_ssrc: int, media_ssrc: int, base: int, arrivals: Sequence[int | None], feedback_count: int
) -> bytes:
    """Writes one feedback packet.

    Args:
        base: transport-wide sequence number of the first status.
        arrivals: for each number from there on, when it arrived in ticks, None if it did not; at least one did. From
            one to the next at most 8 s can be told.
        feedback_count: how many such packets went before.
    """
    first = next(arrival for arrival in arrivals if arrival is not None)
    reference = first // _TICKS_PER_REFERENCE
    symbols, deltas = _deltas(arrivals, reference * _TICKS_PER_REFERENCE)
    chunks = b"".join(chunk.to_bytes(2, "big") for chunk in _chunks(symbols))
    times = (reference & 0xFF_FFFF).to_bytes(3, "big") + bytes([feedback_count & 0xFF])
    rest = times + chunks + deltas
    padding = -len(rest) % 4
    first_octet = _FIRST_OCTET
    if padding:
        first_octet |= _PADDING
        rest += bytes(padding - 1) + bytes([padding])
    words = (_HEADER.size + len(rest)) // 4 - 1
    header = _HEADER.pack(first_octet, TRANSPORT_FEEDBACK, words, sender_ssrc, media_ssrc, base & 0xFFFF, len(arrivals))
    return header + rest


def _deltas(arrivals: Sequence[int | None], previous: int) -> tuple[list[int], bytes]:
    """A symbol for each packet, and the deltas of those that came."""
    if None not in arrivals:
        whole = cast("Sequence[int]", arrivals)
        deltas_of_all = [after - before for before, after in pairwise((previous, *whole))]
        if min(deltas_of_all) >= 0 and max(deltas_of_all) <= 0xFF:
            # Nothing is missing, nothing was late: nearly always so.
            return [_SMALL] * len(whole), bytes(deltas_of_all)
    symbols: list[int] = []
    deltas = bytearray()
    for arrival in arrivals:
        if arrival is None:
            symbols.append(_MISSING)
            continue
        delta, previous = arrival - previous, arrival
        if 0 <= delta <= 0xFF:
            symbols.append(_SMALL)
            deltas.append(delta)
        else:
            symbols.append(_LARGE)
            deltas += max(-_MAX_DELTA - 1, min(delta, _MAX_DELTA)).to_bytes(2, "big", signed=True)
    return symbols, bytes(deltas)


def _chunks(symbols: list[int]) -> Iterator[int]:
    """Runs where they save something, vectors elsewhere."""
    position = 0
    while position < len(symbols):
        symbol = symbols[position]
        run = 1
        while run < _MAX_RUN and position + run < len(symbols) and symbols[position + run] == symbol:
            run += 1
        window = symbols[position : position + _ONE_BIT_SYMBOLS]
        if run >= len(window) or (symbol == _LARGE and run >= _TWO_BIT_SYMBOLS):
            yield symbol << 13 | run
            position += run
        elif _LARGE not in window:
            yield 0x8000 | _vector(window, 1, _ONE_BIT_SYMBOLS)
            position += _ONE_BIT_SYMBOLS
        else:
            yield 0xC000 | _vector(window[:_TWO_BIT_SYMBOLS], 2, _TWO_BIT_SYMBOLS)
            position += _TWO_BIT_SYMBOLS


def _vector(symbols: list[int], bits: int, length: int) -> int:
    vector = 0
    for symbol in symbols:
        vector = vector << bits | symbol
    return vector << bits * (length - len(symbols))
