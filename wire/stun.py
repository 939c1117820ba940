"""STUN as far as routing needs it: the header, and of a Binding request its USERNAME and MESSAGE-INTEGRITY.

A relay reads only requests, and only to learn which session they are for and whether their sender was given its
password; it builds no STUN. Header, [RFC 8489 §5](https://www.rfc-editor.org/rfc/rfc8489#section-5):

```
 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|0 0|  type: method and class   |   length without this header  |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                   magic cookie 0x2112A442                     |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                   transaction id (12 bytes)                   |
|                                                               |
|                                                               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
```

The type interleaves 12 bits of method (M) with 2 bits of class (C):

```
  2  3  4 5 6 7 8 9 0 1 2 3 4 5
 M11 .. M7 C1 M6 M5 M4 C0 M3 .. M0
```

Each attribute, [RFC 8489 §14](https://www.rfc-editor.org/rfc/rfc8489#section-14):

```
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|             type              |    length without padding     |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|       value, padded to a multiple of 4 bytes ...
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
```
"""

from __future__ import annotations

import hmac
import zlib
from enum import Enum
from struct import Struct
from typing import Final, NamedTuple

from wire.drop import DropReason

HEADER_BYTES: Final = 20

_MAGIC_COOKIE: Final = 0x2112A442
_HEADER: Final = Struct("!HHI")
_ATTRIBUTE: Final = Struct("!HH")
_UINT16: Final = Struct("!H")
_UINT32: Final = Struct("!I")

_NOT_STUN_BITS: Final = 0xC000
_CLASS_BITS: Final = 0x0110
_BINDING_REQUEST: Final = 0x0001

_USERNAME: Final = 0x0006
_MESSAGE_INTEGRITY: Final = 0x0008
_MESSAGE_INTEGRITY_SHA256: Final = 0x001C
_FINGERPRINT: Final = 0x8028
_READ: Final = frozenset({_USERNAME, _MESSAGE_INTEGRITY, _MESSAGE_INTEGRITY_SHA256, _FINGERPRINT})

_HMAC_SHA1_BYTES: Final = 20
_FINGERPRINT_XOR: Final = 0x5354554E


class StunClass(Enum):
    """The class of a STUN message, as its two bits stand in the message type."""

    REQUEST = 0x0000
    INDICATION = 0x0010
    SUCCESS = 0x0100
    ERROR = 0x0110


_CLASSES: Final = {each.value: each for each in StunClass}


class BindingRequest(NamedTuple):
    """What a Binding request says about its route, before anything of it is believed.

    transaction_id: 12 bytes, chosen by the sender.
    local_ufrag: the receiver's ufrag, before the colon of USERNAME
        ([RFC 8445 §7.2.2](https://www.rfc-editor.org/rfc/rfc8445#section-7.2.2)).
    remote_ufrag: the sender's ufrag, after the colon.
    integrity_offset: where in the datagram the MESSAGE-INTEGRITY attribute begins; `verify_integrity` takes it.
    """

    transaction_id: bytes
    local_ufrag: bytes
    remote_ufrag: bytes
    integrity_offset: int


class _Attribute(NamedTuple):
    offset: int  # of its type and length in the datagram; the value follows
    length: int  # of the value, without padding


def message_class(datagram: bytes) -> StunClass | None:
    """Return the class of a STUN message of any method, or None if the header is not one of RFC 8489.

    Checked, after [RFC 8489 §6.3](https://www.rfc-editor.org/rfc/rfc8489#section-6.3): two leading zero bits, the magic
    cookie, and a length that is a multiple of 4 and is exactly what follows the header. Attributes are not looked at.
    """
    if len(datagram) < HEADER_BYTES:
        return None
    message_type, length, cookie = _HEADER.unpack_from(datagram)
    if message_type & _NOT_STUN_BITS or cookie != _MAGIC_COOKIE:
        return None
    if length % 4 or length != len(datagram) - HEADER_BYTES:
        return None
    return _CLASSES[message_type & _CLASS_BITS]


def parse_binding_request(datagram: bytes) -> BindingRequest | DropReason:
    """Read what routing needs from an ICE connectivity check. Nothing is authenticated yet: see `verify_integrity`.

    Attributes after MESSAGE-INTEGRITY other than FINGERPRINT are ignored, because the sender's password does not cover
    them ([RFC 8489 §14.5](https://www.rfc-editor.org/rfc/rfc8489#section-14.5)); they must still fit the message. Of an
    attribute that occurs twice the first counts ([§14](https://www.rfc-editor.org/rfc/rfc8489#section-14)).

    Returns MALFORMED_STUN (header, an attribute overrunning the message, a wrong FINGERPRINT or one that is not last),
    UNEXPECTED_STUN_METHOD (not a Binding request), MISSING_USERNAME, MISSING_INTEGRITY, or MALFORMED_UFRAG (USERNAME
    without a colon).
    """
    if message_class(datagram) is None:
        return DropReason.MALFORMED_STUN
    if _UINT16.unpack_from(datagram)[0] != _BINDING_REQUEST:
        return DropReason.UNEXPECTED_STUN_METHOD
    found = _first_attributes(datagram)
    if found is None or not _fingerprint_holds(datagram, found):
        return DropReason.MALFORMED_STUN
    return _binding_request(datagram, found)


def verify_integrity(datagram: bytes, integrity_offset: int, password: bytes) -> bool:
    """Tell whether MESSAGE-INTEGRITY was made with this password (short-term credential). Takes constant time.

    integrity_offset is `BindingRequest.integrity_offset` of the same datagram.

    The HMAC-SHA1 covers the message up to the attribute, with the header's length set as if the message ended with it
    ([RFC 8489 §14.5](https://www.rfc-editor.org/rfc/rfc8489#section-14.5)). A password is ASCII ice-chars, so the
    OpaqueString profile that RFC 8489 §9.1.1 asks for leaves it as it is.
    """
    value_offset = integrity_offset + _ATTRIBUTE.size
    length = _UINT16.pack(value_offset + _HMAC_SHA1_BYTES - HEADER_BYTES)
    covered = datagram[:2] + length + datagram[4:integrity_offset]
    expected = hmac.digest(password, covered, "sha1")
    return hmac.compare_digest(expected, datagram[value_offset : value_offset + _HMAC_SHA1_BYTES])


def _first_attributes(datagram: bytes) -> dict[int, _Attribute] | None:
    """Find where the attributes that routing reads first occur; None if any attribute overruns the message.

    The header has been checked, so the message is a multiple of 4 and a next attribute's header always fits.
    """
    found: dict[int, _Attribute] = {}
    offset, end = HEADER_BYTES, len(datagram)
    while offset < end:
        attribute_type, length = _ATTRIBUTE.unpack_from(datagram, offset)
        following = offset + _ATTRIBUTE.size + length + (-length % 4)
        if following > end:
            return None
        if attribute_type in _READ and attribute_type not in found:
            found[attribute_type] = _Attribute(offset, length)
        offset = following
    return found


def _fingerprint_holds(datagram: bytes, found: dict[int, _Attribute]) -> bool:
    """Check FINGERPRINT where there is one: it is last, and right.

    CRC-32 of the message before it, exclusive-or 0x5354554E;
    [RFC 8489 §14.7](https://www.rfc-editor.org/rfc/rfc8489#section-14.7).
    """
    if _FINGERPRINT not in found:
        return True
    offset, length = found[_FINGERPRINT]
    expected = zlib.crc32(datagram[:offset]) ^ _FINGERPRINT_XOR
    return length == _UINT32.size and datagram[offset + _ATTRIBUTE.size :] == _UINT32.pack(expected)


def _binding_request(datagram: bytes, found: dict[int, _Attribute]) -> BindingRequest | DropReason:
    """Read USERNAME and MESSAGE-INTEGRITY from a message whose attributes all fit."""
    nowhere = _Attribute(len(datagram), 0)
    username, integrity = found.get(_USERNAME, nowhere), found.get(_MESSAGE_INTEGRITY, nowhere)
    # MESSAGE-INTEGRITY-SHA256 belongs after MESSAGE-INTEGRITY; where it comes first, it hides what follows it (§14.6).
    sealed = min(integrity.offset, found.get(_MESSAGE_INTEGRITY_SHA256, nowhere).offset)
    if username.offset >= sealed:
        return DropReason.MISSING_USERNAME
    if integrity is nowhere or integrity.offset > sealed:
        return DropReason.MISSING_INTEGRITY
    if integrity.length != _HMAC_SHA1_BYTES:
        return DropReason.MALFORMED_STUN
    value_offset = username.offset + _ATTRIBUTE.size
    local_ufrag, colon, remote_ufrag = datagram[value_offset : value_offset + username.length].partition(b":")
    if not colon:
        return DropReason.MALFORMED_UFRAG
    return BindingRequest(datagram[8:HEADER_BYTES], local_ufrag, remote_ufrag, integrity.offset)
