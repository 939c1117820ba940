"""Which protocol a datagram belongs to, from its first one or two bytes.

The first byte decides, [RFC 7983 §7](https://www.rfc-editor.org/rfc/rfc7983#section-7) as updated by
[RFC 9443 §3](https://www.rfc-editor.org/rfc/rfc9443#section-3):

```
  0 ..   3   STUN
  4 ..  15   (nothing)
 16 ..  19   ZRTP
 20 ..  63   DTLS
 64 ..  79   TURN channel when it comes from a TURN server, else QUIC short header
 80 .. 127   QUIC short header
128 .. 191   RTP or RTCP
192 .. 255   QUIC long header
```

In the range of RTP and RTCP the second byte decides,
[RFC 5761 §4](https://www.rfc-editor.org/rfc/rfc5761#section-4). It is RTP's marker and payload type, or
RTCP's packet type:

```
        0                   1
        0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 RTP   |V=2|P|X|  CC   |M|     PT      |
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 RTCP  |V=2|P|  count  |  packet type  |
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
```

RTCP packet types lie in 192..223, which reads as the marker with payload type 64..95, and RFC 5761 forbids RTP to use
those payload types on a shared port. So 192..223 is RTCP and every other second byte is RTP.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Kind(Enum):
    """What a datagram looks like. It says nothing about whether the rest of the datagram is well-formed."""

    STUN = "stun"
    DTLS = "dtls"
    SRTP = "srtp"
    SRTCP = "srtcp"
    ZRTP = "zrtp"
    # 64..79 is also open to QUIC; nothing here speaks either, so the ambiguity is left as it is.
    TURN_CHANNEL = "turn_channel"
    QUIC = "quic"
    UNKNOWN = "unknown"


def _kind_by_first_byte() -> tuple[Kind, ...]:
    """The table of the module's docstring, one entry per byte value; 128..191 says SRTP."""
    upper_bounds = (
        (3, Kind.STUN),
        (15, Kind.UNKNOWN),
        (19, Kind.ZRTP),
        (63, Kind.DTLS),
        (79, Kind.TURN_CHANNEL),
        (127, Kind.QUIC),
        (191, Kind.SRTP),
        (255, Kind.QUIC),
    )
    return tuple(next(kind for bound, kind in upper_bounds if value <= bound) for value in range(256))


_KIND_BY_FIRST_BYTE: Final = _kind_by_first_byte()
_FIRST_RTCP_TYPE: Final = 192
_LAST_RTCP_TYPE: Final = 223


def classify(datagram: bytes) -> Kind:
    """Name the protocol of a datagram. Never raises.

    UNKNOWN for an empty datagram, for a first byte of no protocol, and for a single byte in the range of RTP and RTCP,
    which lacks the byte that tells the two apart.
    """
    if not datagram:
        return Kind.UNKNOWN
    kind = _KIND_BY_FIRST_BYTE[datagram[0]]
    if kind is not Kind.SRTP:
        return kind
    if len(datagram) < 2:
        return Kind.UNKNOWN
    return Kind.SRTCP if _FIRST_RTCP_TYPE <= datagram[1] <= _LAST_RTCP_TYPE else Kind.SRTP
