"""The offer in force and our answers to it (RFC 3264, RFC 9429)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from transceiver.sdp.answer import LocalDescription, build_answer
from transceiver.sdp.credentials import DtlsRole, Fingerprint, IceCredentials
from transceiver.sdp.errors import OfferError
from transceiver.sdp.offer import Offer
from wire.address import Address

_SDP_ID_BITS: Final = 62


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """What of our side stays the same for all of a session's answers."""

    fingerprint: Fingerprint
    candidates: Sequence[Address]
    role: DtlsRole
    ssrc: int
    cname: str
    data_channels: bool


class Negotiation:
    """One session's offers and answers.

    Args:
        offer: the first one.
        transport: our side.
    """

    def __init__(self, offer: Offer, transport: LocalTransport) -> None:
        self.offer = offer
        self._transport = transport
        self._sdp_id = secrets.randbits(_SDP_ID_BITS)
        self._version = 0

    @property
    def mid(self) -> str | None:
        """Of the audio section."""
        return self.offer.media[self.offer.audio_index].mid

    @property
    def has_data_channel(self) -> bool:
        """Whether a data channel is offered and accepted."""
        return self._transport.data_channels and self.offer.application_index is not None

    def accept(self, offer: Offer) -> None:
        """Puts a later offer in force.

        Raises:
            OfferError: it wants another codec or another DTLS association.
        """
        codec = self.offer.audio.format.codec
        if offer.audio.format.codec != codec:
            raise OfferError(f"The call uses {codec}; a later offer cannot change the codec.", "a=rtpmap")
        if set(offer.fingerprints) != set(self.offer.fingerprints):
            raise OfferError("A later offer cannot change the certificate; place a new call.", "a=fingerprint")
        self.offer = offer

    def answer(self, ice: IceCredentials) -> str:
        """The next answer, with our current ICE credentials."""
        self._version += 1
        transport = self._transport
        local = LocalDescription(
            sdp_id=self._sdp_id,
            version=self._version,
            ice=ice,
            fingerprint=transport.fingerprint,
            role=transport.role,
            candidates=tuple(transport.candidates),
            ssrc=transport.ssrc,
            cname=transport.cname,
            data_channels=transport.data_channels,
        )
        return build_answer(self.offer, local)
