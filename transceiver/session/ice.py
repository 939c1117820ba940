"""The ICE-lite agent of one session (RFC 8445, https://www.rfc-editor.org/rfc/rfc8445). Sans-IO.

It only answers: a check that names one of our ufrags and proves our password is an authentic sign of the client, and
its five-tuple may be sent on from then on, nominated or not (section 12.1.1; waiting for the nomination would stall
stock Chromium for over a second on long paths). What its answers mean for the session's paths is `PathTable`'s matter.
"""

import struct
from typing import Final, NamedTuple

from transceiver.media_port.interface import Path
from transceiver.sdp.credentials import IceCredentials
from transceiver.session.stun_response import build_role_conflict, build_success, build_unknown_attributes
from wire.drop import DropReason
from wire.stun import HEADER_BYTES, BindingRequest, verify_integrity

_ATTRIBUTE: Final = struct.Struct("!HH")
_OPTIONAL_FROM: Final = 0x8000
"""Attributes from here on may be ignored by whoever does not know them (RFC 8489 section 14)."""
_PRIORITY, _USE_CANDIDATE, _CONTROLLED, _CONTROLLING = 0x0024, 0x0025, 0x8029, 0x802A
_ICE_BYTES: Final = {_PRIORITY: 4, _USE_CANDIDATE: 0, _CONTROLLED: 8, _CONTROLLING: 8}
"""RFC 8445 section 16.1, and how long their values are."""
_KNOWN: Final = frozenset(
    (
        *(0x0001, 0x0006, 0x0008, 0x0009, 0x000A, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E, 0x0020),  # RFC 8489, 18.3.1
        *(_PRIORITY, _USE_CANDIDATE),
    )
)
_MAX_NAMED: Final = 8
"""Unknown attributes that one response names: more would make it longer than some request."""


class Check(NamedTuple):
    """An authentic check: the response to send, and what it says about its path.

    `retired` is the ufrag that this check's use of its successor has put out of use, if any.
    """

    response: bytes
    nominated: bool
    retired: str | None


class Refusal(NamedTuple):
    """An authentic check that cannot be granted: the error response to send, and the reason."""

    response: bytes
    reason: DropReason


class IceAgent:
    """Answers checks for the current credentials, and for the former ones until the client uses the current."""

    def __init__(self, local: IceCredentials) -> None:
        self.local = local
        self._former: IceCredentials | None = None
        self._seen = _TransactionRing()

    @property
    def ufrags(self) -> tuple[str, ...]:
        """Every ufrag that is answered for."""
        return (self.local.ufrag,) if self._former is None else (self.local.ufrag, self._former.ufrag)

    def restart(self, local: IceCredentials) -> str | None:
        """Takes new credentials (section 9); returns a ufrag that this puts out of use.

        The former pair stays valid until the client uses the new one, so that consent goes on meanwhile.
        """
        retired = self._former
        self._former, self.local = self.local, local
        return retired.ufrag if retired is not None else None

    def receive(self, request: BindingRequest, datagram: bytes, path: Path) -> Check | Refusal | DropReason:
        """Judges a Binding request whose ufrag is one of ours."""
        credentials = self._credentials(request.local_ufrag)
        if credentials is None:
            return DropReason.UNKNOWN_UFRAG
        pwd = credentials.pwd.encode()
        if not verify_integrity(datagram, request.integrity_offset, pwd):
            return DropReason.BAD_INTEGRITY
        found = _attributes(datagram, request.integrity_offset)
        if found is None:
            return DropReason.MALFORMED_STUN
        if not self._seen.admit(request.transaction_id, path):
            return DropReason.REPLAYED_CHECK
        unknown = [each for each in found if each < _OPTIONAL_FROM and each not in _KNOWN]
        if unknown:
            # RFC 8489 section 6.3.1.
            response = build_unknown_attributes(request.transaction_id, unknown[:_MAX_NAMED], pwd)
            return Refusal(response, DropReason.UNKNOWN_STUN_ATTRIBUTE)
        if _CONTROLLED in found:
            # Section 7.3.1.1; we are lite, so we do not switch: the client must.
            return Refusal(build_role_conflict(request.transaction_id, pwd), DropReason.ROLE_CONFLICT)
        retired = None
        if self._former is not None and credentials is self.local:
            retired, self._former = self._former.ufrag, None
        response = build_success(request.transaction_id, path.client, pwd)
        return Check(response, _USE_CANDIDATE in found, retired)

    def _credentials(self, ufrag: bytes) -> IceCredentials | None:
        if ufrag == self.local.ufrag.encode():
            return self.local
        if self._former is not None and ufrag == self._former.ufrag.encode():
            return self._former
        return None


def _attributes(datagram: bytes, end: int) -> dict[int, None] | None:
    """Types of the attributes before `end`, in order; None if one of ICE's has another length than it must have.

    Every attribute fits the message. What stands behind `end` is not authentic (RFC 8489 section 14.5).
    """
    found: dict[int, None] = {}
    offset = HEADER_BYTES
    while offset < end:
        attribute_type, length = _ATTRIBUTE.unpack_from(datagram, offset)
        if _ICE_BYTES.get(attribute_type, length) != length:
            return None
        found[attribute_type] = None
        offset += _ATTRIBUTE.size + length + (-length % 4)
    return found


class _TransactionRing:
    """The last transaction ids, each with the path it came from.

    A captured check proves nothing when it is sent again from elsewhere; sent again from the same five-tuple it is an
    ordinary retransmission. 512 entries are 20 minutes of libwebrtc's checks. Each takes 16 bytes, so that a session
    spends 8 KB on this:

        transaction id 12 bytes | hash of the path 4 bytes
    """

    _ENTRIES: Final = 512
    _ID_BYTES: Final = 12
    _ENTRY_BYTES: Final = 16

    def __init__(self) -> None:
        self._entries = bytearray()
        self._oldest = 0

    def admit(self, transaction_id: bytes, path: Path) -> bool:
        """Records an id; False if it came from another path before."""
        # Python keys string hashes per process, so nobody outside can choose addresses that collide.
        entry = transaction_id + (hash(path) & 0xFFFF_FFFF).to_bytes(4, "big")
        position = self._entries.find(transaction_id)
        while position >= 0 and position % self._ENTRY_BYTES:
            position = self._entries.find(transaction_id, position + 1)
        if position >= 0:
            return self._entries[position : position + self._ENTRY_BYTES] == entry
        if len(self._entries) < self._ENTRIES * self._ENTRY_BYTES:
            self._entries += entry
        else:
            self._entries[self._oldest : self._oldest + self._ENTRY_BYTES] = entry
            self._oldest = (self._oldest + self._ENTRY_BYTES) % len(self._entries)
        return True
