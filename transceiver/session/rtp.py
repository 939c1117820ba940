"""RTP packets and their header extensions.

RFC 3550 section 5.1, https://www.rfc-editor.org/rfc/rfc3550#section-5.1:

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |V=2|P|X|  CC   |M|     PT      |       sequence number         |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                           timestamp                           |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                             SSRC                              |
    +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
    |                     CSRC (0 to 15 of them)                    |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |     extension profile         |    length in 32-bit words     |  if X
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

Header extensions, RFC 8285 section 4.2 and 4.3, https://www.rfc-editor.org/rfc/rfc8285#section-4.2: profile 0xBEDE has
elements of `id 4 bit | length - 1 4 bit | data`, profile 0x100X of `id 8 bit | length 8 bit | data`; id 0 is padding.
"""

from collections.abc import Mapping
from struct import Struct
from typing import NamedTuple

from wire.drop import DropReason

HEADER_BYTES = 12

_HEADER = Struct("!BBHII")
_EXTENSION = Struct("!HH")
_ONE_BYTE_PROFILE = 0xBEDE
_TWO_BYTE_PROFILE = 0x1000
_MAX_ONE_BYTE_ID = 14
_FIRST_ONE_BYTE_HEAD = 0x10
_ONE_BYTE_END = 0xF0
"""Id 15: nothing after it is read."""


class RtpPacket(NamedTuple):
    """One RTP packet. `extensions` maps the ids of RFC 8285 elements to their data."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    extensions: Mapping[int, bytes]


_NO_EXTENSIONS: Mapping[int, bytes] = {}


def parse_rtp(packet: bytes) -> RtpPacket | DropReason:
    """Reads a packet that demultiplexing has called RTP; MALFORMED_RTP if it does not fit its own lengths."""
    if len(packet) < HEADER_BYTES:
        return DropReason.MALFORMED_RTP
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(packet)
    if first >> 6 != 2:
        return DropReason.MALFORMED_RTP
    start, end = HEADER_BYTES + 4 * (first & 0x0F), len(packet)
    extensions = _NO_EXTENSIONS
    if first & 0x10:
        if start + _EXTENSION.size > end:
            return DropReason.MALFORMED_RTP
        profile, words = _EXTENSION.unpack_from(packet, start)
        body = start + _EXTENSION.size
        start = body + 4 * words
        if start > end:
            return DropReason.MALFORMED_RTP
        extensions = _parse_extensions(profile, packet[body:start])
    if first & 0x20:
        padding = packet[-1]
        if padding == 0:
            return DropReason.MALFORMED_RTP
        end -= padding
    if start > end:
        return DropReason.MALFORMED_RTP
    return RtpPacket(second & 0x7F, second >= 0x80, sequence, timestamp, ssrc, packet[start:end], extensions)


def _parse_extensions(profile: int, body: bytes) -> Mapping[int, bytes]:
    """The elements of either form. What follows a broken element is ignored: an extension may always be ignored."""
    if profile == _ONE_BYTE_PROFILE:
        return _one_byte_elements(body)
    return _two_byte_elements(body) if profile & 0xFFF0 == _TWO_BYTE_PROFILE else _NO_EXTENSIONS


def _one_byte_elements(body: bytes) -> Mapping[int, bytes]:
    found: dict[int, bytes] = {}
    position, end = 0, len(body)
    while position < end:
        head = body[position]
        position += 1
        if not head:
            continue
        following = position + (head & 0x0F) + 1
        if head >= _ONE_BYTE_END or following > end:
            break
        if head >= _FIRST_ONE_BYTE_HEAD:
            found.setdefault(head >> 4, body[position:following])
        position = following
    return found


def _two_byte_elements(body: bytes) -> Mapping[int, bytes]:
    found: dict[int, bytes] = {}
    position, end = 0, len(body)
    while position < end:
        identifier = body[position]
        position += 1
        if not identifier:
            continue
        if position == end:
            break
        following = position + 1 + body[position]
        if following > end:
            break
        found.setdefault(identifier, body[position + 1 : following])
        position = following
    return found


def build_extensions(elements: Mapping[int, bytes]) -> bytes:
    """The extension block of a header (profile, length, elements, padding) in the shortest form that can carry them.

    Args:
        elements: id 1 to 255 (not 15) → data of at most 255 bytes.
    """
    one_byte = all(identifier <= _MAX_ONE_BYTE_ID and 1 <= len(data) <= 16 for identifier, data in elements.items())
    body = b"".join(
        (bytes([identifier << 4 | len(data) - 1]) if one_byte else bytes([identifier, len(data)])) + data
        for identifier, data in elements.items()
    )
    body += bytes(-len(body) % 4)
    return _EXTENSION.pack(_ONE_BYTE_PROFILE if one_byte else _TWO_BYTE_PROFILE, len(body) // 4) + body


def extension_bytes(packet: bytes) -> int:
    """How long the extension block of a packet of `build_rtp` is; 0 if it has none."""
    if not packet[0] & 0x10:
        return 0
    return _EXTENSION.size + 4 * int(_EXTENSION.unpack_from(packet, HEADER_BYTES)[1])


def build_rtp(  # noqa: PLR0917  # the fields in the order of the wire; called for every packet
    payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes, extensions: bytes
) -> bytes:
    """Writes a packet. `extensions` is a block of `build_extensions`, or empty."""
    second = payload_type | 0x80 if marker else payload_type
    if extensions:
        return _HEADER.pack(0x90, second, sequence, timestamp, ssrc) + extensions + payload
    return _HEADER.pack(0x80, second, sequence, timestamp, ssrc) + payload
