"""Writes the answer to an offer (RFC 3264, RFC 9429 section 5.3).

https://www.rfc-editor.org/rfc/rfc9429#section-5.3
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transceiver.sdp.credentials import DtlsRole, Fingerprint, IceCredentials
from transceiver.sdp.offer import AUDIO_LEVEL_URI, MID_URI, TRANSPORT_CC_URI, MediaLine, Offer
from wire.address import Address

SCTP_PORT = 5000
MAX_MESSAGE_SIZE = 262_144
STREAM_ID = "offhook"
"""msid of our audio (RFC 8830)."""

_HOST_TYPE_PREFERENCE = 126
_MAX_LOCAL_PREFERENCE = 65_535


@dataclass(frozen=True, slots=True)
class LocalDescription:
    """What our side puts into its answers.

    Attributes:
        sdp_id, version: of the o= line; the version grows with each answer.
        candidates: the relays' public addresses, best first.
        ssrc, cname: of our audio.
        data_channels: whether an offered data channel section is accepted.
    """

    sdp_id: int
    version: int
    ice: IceCredentials
    fingerprint: Fingerprint
    role: DtlsRole
    candidates: tuple[Address, ...]
    ssrc: int
    cname: str
    data_channels: bool


def build_answer(offer: Offer, local: LocalDescription) -> str:
    """The answer, with CRLF line ends."""
    accepted = {offer.audio_index}
    if local.data_channels and offer.application_index is not None:
        accepted.add(offer.application_index)
    lines = [
        "v=0",
        f"o=- {local.sdp_id} {local.version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        # RFC 8839 section 5.3: ICE-lite is a session-level attribute.
        "a=ice-lite",
    ]
    if offer.allow_mixed:
        lines.append("a=extmap-allow-mixed")
    if offer.bundled:
        mids = [line.mid for index, line in enumerate(offer.media) if index in accepted and line.mid in offer.bundled]
        lines.append("a=group:BUNDLE " + " ".join(mids))
    lines.append(f"a=msid-semantic: WMS {STREAM_ID}")
    for index, line in enumerate(offer.media):
        if index == offer.audio_index:
            lines += _audio(offer, line, local)
        elif index in accepted:
            lines += _application(offer, line, local)
        else:
            lines += _rejected(line)
    return "\r\n".join(lines) + "\r\n"


def _rejected(line: MediaLine) -> Iterator[str]:
    # RFC 3264 section 6: port zero rejects; the formats are repeated because the grammar wants one.
    yield f"m={line.kind} 0 {line.protocol} {line.formats}"
    yield "c=IN IP4 0.0.0.0"
    if line.mid is not None:
        yield f"a=mid:{line.mid}"
    yield "a=inactive"


def _audio(offer: Offer, line: MediaLine, local: LocalDescription) -> Iterator[str]:
    audio = offer.audio
    direction = audio.direction.reversed
    events = f" {audio.events.payload_type}" if audio.events is not None else ""
    yield f"m=audio {local.candidates[0].port} {line.protocol} {audio.format.payload_type}{events}"
    yield from _transport(offer, line, local)
    yield "a=rtcp-mux"
    if audio.rtcp_rsize:
        yield "a=rtcp-rsize"
    yield f"a=rtpmap:{audio.format.rtpmap}"
    if audio.format.fmtp is not None:
        yield f"a=fmtp:{audio.format.fmtp}"
    if audio.events is not None:
        yield f"a=rtpmap:{audio.events.rtpmap}"
        yield f"a=fmtp:{audio.events.fmtp}"
    if audio.nack:
        yield f"a=rtcp-fb:{audio.format.payload_type} nack"
    if audio.transport_cc_id is not None:
        yield f"a=rtcp-fb:{audio.format.payload_type} transport-cc"
        yield f"a=extmap:{audio.transport_cc_id} {TRANSPORT_CC_URI}"
    if audio.audio_level_id is not None:
        yield f"a=extmap:{audio.audio_level_id} {AUDIO_LEVEL_URI}"
    if audio.mid_id is not None:
        yield f"a=extmap:{audio.mid_id} {MID_URI}"
    yield f"a={direction}"
    if direction.sends:
        yield f"a=msid:{STREAM_ID} audio"
        yield f"a=ssrc:{local.ssrc} cname:{local.cname}"


def _application(offer: Offer, line: MediaLine, local: LocalDescription) -> Iterator[str]:
    # RFC 8841 section 5: the format names the application protocol, whatever older clients put there.
    yield f"m=application {local.candidates[0].port} {line.protocol} webrtc-datachannel"
    yield from _transport(offer, line, local)
    yield f"a=sctp-port:{SCTP_PORT}"
    yield f"a=max-message-size:{MAX_MESSAGE_SIZE}"


def _transport(offer: Offer, line: MediaLine, local: LocalDescription) -> Iterator[str]:
    host = local.candidates[0].host
    yield f"c=IN {'IP6' if ':' in host else 'IP4'} {host}"
    if line.mid is not None:
        yield f"a=mid:{line.mid}"
    yield f"a=ice-ufrag:{local.ice.ufrag}"
    yield f"a=ice-pwd:{local.ice.pwd}"
    yield f"a=fingerprint:{local.fingerprint}"
    yield f"a=setup:{local.role}"
    yield from candidate_lines(local.candidates)


def candidate_lines(candidates: Sequence[Address]) -> Iterator[str]:
    """`a=candidate` for each address, then `a=end-of-candidates` (RFC 8839 section 5.1, RFC 8840 section 4.2).

    All are host candidates of one component: the base of an ICE-lite agent is what it announces.
    """
    for index, (host, port) in enumerate(candidates):
        # RFC 8445 section 5.1.2.1.
        priority = (_HOST_TYPE_PREFERENCE << 24) + ((_MAX_LOCAL_PREFERENCE - index) << 8) + 255
        yield f"a=candidate:{index + 1} 1 udp {priority} {host} {port} typ host"
    yield "a=end-of-candidates"
