"""The answers to authentic connectivity checks, built without a STUN library: one is sent for every check.

RFC 8489 section 14, https://www.rfc-editor.org/rfc/rfc8489#section-14, behind the header of a success response:

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |   XOR-MAPPED-ADDRESS 0x0020   |      length 8 or 20           |
    |0 0 0 0 0 0 0 0| family 1 or 2 |    port ^ 0x2112              |
    |   address ^ (cookie, then transaction id), 4 or 16 bytes      |
    |   MESSAGE-INTEGRITY 0x0008    |      length 20                |
    |   HMAC-SHA1 of all before it, 20 bytes                        |
    |   FINGERPRINT 0x8028          |      length 4                 |
    |   CRC-32 of all before it ^ 0x5354554E                        |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

An error response has in place of XOR-MAPPED-ADDRESS (sections 14.8 and 14.9)

    |   ERROR-CODE 0x0009           |      length 4 + phrase        |
    |0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0| class |  number     |
    |   reason phrase, padded                                       |

and, where the code is 420, the types it is about

    |   UNKNOWN-ATTRIBUTES 0x000A   |      length 2 each            |
    |   type                        |   type, padded                |

Each checksum covers a header whose length counts up to its own end (sections 14.5 and 14.7).
"""

import hmac
import zlib
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_pton
from struct import Struct
from typing import Final

from wire.address import Address

_HEADER = Struct("!HHI12s")
_MAPPED = Struct("!HHBBH")
_ATTRIBUTE = Struct("!HH")
_UINT32 = Struct("!I")

_SUCCESS: Final = 0x0101
_ERROR: Final = 0x0111
_ERROR_CODE: Final = 0x0009
_UNKNOWN_ATTRIBUTES: Final = 0x000A
_COOKIE: Final = 0x2112A442
_COOKIE_BYTES: Final = _UINT32.pack(_COOKIE)
_XOR_MAPPED_ADDRESS: Final = 0x0020
_IPV4, _IPV6 = 1, 2
_INTEGRITY: Final = _ATTRIBUTE.pack(0x0008, 20)
_INTEGRITY_BYTES: Final = 24
_FINGERPRINT: Final = _ATTRIBUTE.pack(0x8028, 4)
_FINGERPRINT_BYTES: Final = 8
_FINGERPRINT_XOR: Final = 0x5354554E


def build_success(transaction_id: bytes, mapped: Address, password: bytes) -> bytes:
    """A Binding success response.

    Args:
        transaction_id: of the request, 12 bytes.
        mapped: where the request came from.
        password: that the request was signed with.
    """
    family, octets = (
        (_IPV6, inet_pton(AF_INET6, mapped.host)) if ":" in mapped.host else (_IPV4, inet_pton(AF_INET, mapped.host))
    )
    size = len(octets)
    mask = int.from_bytes((_COOKIE_BYTES + transaction_id)[:size], "big")
    hidden = (int.from_bytes(octets, "big") ^ mask).to_bytes(size, "big")
    body = _MAPPED.pack(_XOR_MAPPED_ADDRESS, 4 + size, 0, family, mapped.port ^ _COOKIE >> 16) + hidden
    return _sealed(_SUCCESS, transaction_id, body, password)


def build_role_conflict(transaction_id: bytes, password: bytes) -> bytes:
    """Error 487: the sender of the check is to become the controlling side (RFC 8445 section 7.3.1.1)."""
    return _sealed(_ERROR, transaction_id, _error(487, b"Role Conflict"), password)


def build_unknown_attributes(transaction_id: bytes, types: Sequence[int], password: bytes) -> bytes:
    """Error 420: the check cannot be understood without attributes of these `types` (RFC 8489 section 6.3.1)."""
    listed = b"".join(each.to_bytes(2, "big") for each in types)
    body = _error(420, b"Unknown Attribute") + _attribute(_UNKNOWN_ATTRIBUTES, listed)
    return _sealed(_ERROR, transaction_id, body, password)


def _error(code: int, phrase: bytes) -> bytes:
    return _attribute(_ERROR_CODE, bytes([0, 0, *divmod(code, 100)]) + phrase)


def _attribute(attribute_type: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(attribute_type, len(value)) + value + bytes(-len(value) % 4)


def _sealed(message_type: int, transaction_id: bytes, body: bytes, password: bytes) -> bytes:
    length = len(body) + _INTEGRITY_BYTES
    signed = _HEADER.pack(message_type, length, _COOKIE, transaction_id) + body
    body += _INTEGRITY + hmac.digest(password, signed, "sha1")
    message = _HEADER.pack(message_type, length + _FINGERPRINT_BYTES, _COOKIE, transaction_id) + body
    return message + _FINGERPRINT + _UINT32.pack(zlib.crc32(message) ^ _FINGERPRINT_XOR)
