"""What SDP carries of ICE and DTLS: small values that the session works with."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """`ice-ufrag` and `ice-pwd` (RFC 8839 section 5.4, https://www.rfc-editor.org/rfc/rfc8839#section-5.4)."""

    ufrag: str
    pwd: str = field(repr=False)


class Fingerprint(NamedTuple):
    """A certificate's hash (RFC 8122 section 5, https://www.rfc-editor.org/rfc/rfc8122#section-5)."""

    algorithm: str
    """"sha-256", "sha-384" or "sha-512"."""
    digest: bytes

    def __str__(self) -> str:
        return f"{self.algorithm} {self.digest.hex(':').upper()}"


class DtlsRole(StrEnum):
    """Who sends the ClientHello; the values are those of `a=setup` in an answer (RFC 8842 section 5.3)."""

    CLIENT = "active"
    SERVER = "passive"


class Direction(StrEnum):
    """Media direction (RFC 3264 section 6.1), seen from whoever wrote the description."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def reversed(self) -> "Direction":
        """The same seen from the other side."""
        return _REVERSED.get(self, self)

    @property
    def sends(self) -> bool:
        """Whether the writer of the description sends."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)


_REVERSED = {Direction.SENDONLY: Direction.RECVONLY, Direction.RECVONLY: Direction.SENDONLY}
