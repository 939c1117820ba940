"""Reads an offer into what a session needs of it, or refuses it with a reason.

Only the audio section is looked into closely. Attributes that are not known are skipped, as RFC 8866 section 5.13 asks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from transceiver.sdp.codecs import AudioFormat, EventFormat, choose_events, choose_format, read_encodings
from transceiver.sdp.credentials import Direction, DtlsRole, Fingerprint, IceCredentials
from transceiver.sdp.errors import OfferError
from transceiver.sdp.lines import Section, read_number, split_sections
from transceiver.sdp.reception import Reception, read_reception

AUDIO_LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
"""RFC 6464."""
MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
"""RFC 9143 section 15."""
TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
"""Its name in SDP."""

_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_ICE_CHARS = re.compile(r"[A-Za-z0-9+/]+")
_MEDIA_LINE = re.compile(r"(?P<kind>\S+) (?P<port>\d{1,5})(?:/\d+)? (?P<protocol>\S+) (?P<formats>.+)")
_SRTP_PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP"})
# RFC 8841 section 4.1; libdatachannel and old Firefox wrote DTLS/SCTP.
_SCTP_PROTOCOLS = frozenset({"UDP/DTLS/SCTP", "DTLS/SCTP"})
_MAX_SSRCS = 32
_DEFAULT_MAX_MESSAGE_BYTES = 65_536
_MAX_SIZE = (1 << 64) - 1
_MAX_SSRC = 0xFFFF_FFFF
_MAX_EXTENSION_ID = 255
_RESERVED_EXTENSION_ID = 15
"""RFC 8285 section 4.2."""


class MediaLine(NamedTuple):
    """An m= line with the section's mid, to be repeated in the answer."""

    kind: str
    port: int
    protocol: str
    formats: str
    mid: str | None


@dataclass(frozen=True, slots=True)
class AudioOffer:
    """The audio section.

    Attributes:
        format: what will be used.
        events: telephone events, None if not offered.
        direction: seen from the client.
        ssrcs: that the client has announced; empty if it announces none.
        audio_level_id: the id of the RFC 6464 header extension, None if not offered.
        mid_id: the id of the MID header extension, None if not offered.
        rtcp_rsize: whether reduced-size RTCP was offered (RFC 5506).
        nack: whether the generic NACK was offered (RFC 4585 section 4.2).
        transport_cc_id: the id of the header extension with transport-wide sequence numbers, None unless it was offered
            together with the feedback that it is for.
        reception: how the client wants our audio.
    """

    format: AudioFormat
    events: EventFormat | None
    direction: Direction
    ssrcs: frozenset[int]
    audio_level_id: int | None
    mid_id: int | None
    rtcp_rsize: bool
    nack: bool
    transport_cc_id: int | None
    reception: Reception


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client has offered.

    Attributes:
        media: every m= line, in order.
        audio_index: which of them is the audio section that is served.
        application_index: which of them is a data channel section that can be served, None if there is none.
        bundled: mids of the BUNDLE group that holds the audio section; empty if it is in none.
        setup: the DTLS role that is ours.
        fingerprints: any of them may match the client's certificate.
        allow_mixed: whether one- and two-byte header extensions may be mixed (RFC 8285 section 6).
        max_message_bytes: longest data channel message that the client takes (RFC 8841 section 6); None: any length.
    """

    media: tuple[MediaLine, ...]
    audio_index: int
    audio: AudioOffer
    application_index: int | None
    bundled: tuple[str, ...]
    ice: IceCredentials
    setup: DtlsRole
    fingerprints: tuple[Fingerprint, ...]
    allow_mixed: bool
    max_message_bytes: int | None


def parse_offer(sdp: str) -> Offer:
    """Reads `sdp`.

    Raises:
        OfferError: with the reason, if it cannot be served.
    """
    session, sections = split_sections(sdp)
    media = tuple(_media_line(section) for section in sections)
    audio_index = _audio_index(media)
    audio = sections[audio_index]
    if session.has("ice-lite"):
        raise OfferError("The offer says a=ice-lite, and so are we: one side must send the checks.", "a=ice-lite")
    if not audio.has("rtcp-mux"):
        raise OfferError("The audio section lacks a=rtcp-mux; RTCP on a port of its own is not served.", "a=rtcp-mux")
    bundled = _bundle_of(session, media[audio_index].mid)
    # In a BUNDLE group the transport attributes may stand in any one of its sections (RFC 9143 section 7.1.3).
    application_index = _application_index(media, bundled)
    places = [audio, session, *(part for part, line in zip(sections, media, strict=True) if line.mid in bundled)]
    return Offer(
        media=media,
        audio_index=audio_index,
        audio=_audio(audio, media[audio_index], session),
        application_index=application_index,
        bundled=bundled,
        ice=_ice_credentials(places),
        setup=_our_role(places),
        fingerprints=_fingerprints(places),
        allow_mixed=session.has("extmap-allow-mixed") or audio.has("extmap-allow-mixed"),
        max_message_bytes=_max_message_bytes(sections[application_index]) if application_index is not None else None,
    )


def _media_line(section: Section) -> MediaLine:
    match = _MEDIA_LINE.fullmatch(section.media)
    if match is None:
        raise OfferError(f"'m={section.media[:64]}' is not a media line.", "m=")
    port = int(match["port"])
    if port > 0xFFFF:
        raise OfferError(f"'m={section.media[:64]}' names an impossible port.", "m=")
    return MediaLine(match["kind"], port, match["protocol"], match["formats"].strip(), section.first("mid"))


def _audio_index(media: tuple[MediaLine, ...]) -> int:
    for index, line in enumerate(media):
        # Port 0 without bundle-only means rejected or stopped, but a bundled client that writes 0 for every section
        # still wants its audio; there is nothing else in the offer that it could want.
        if line.kind == "audio":
            if line.protocol not in _SRTP_PROTOCOLS:
                raise OfferError(f"Audio over '{line.protocol}' is not served; use UDP/TLS/RTP/SAVPF.", "m=audio")
            return index
    raise OfferError("The offer has no audio section (m=audio).", "m=audio")


def _application_index(media: tuple[MediaLine, ...], bundled: tuple[str, ...]) -> int | None:
    for index, line in enumerate(media):
        if line.kind == "application" and line.protocol in _SCTP_PROTOCOLS and line.mid in bundled:
            return index
    return None


def _max_message_bytes(application: Section) -> int | None:
    """RFC 8841 section 6: 64 KiB where nothing is said; 0 means any length."""
    size = read_number(application.first("max-message-size"), _MAX_SIZE)
    return _DEFAULT_MAX_MESSAGE_BYTES if size is None else size or None


def _bundle_of(session: Section, audio_mid: str | None) -> tuple[str, ...]:
    for group in session.every("group"):
        semantics, *mids = group.split()
        if semantics == "BUNDLE" and audio_mid in mids:
            return tuple(mids)
    return ()


def _audio(section: Section, line: MediaLine, session: Section) -> AudioOffer:
    encodings = read_encodings(section, line.formats.split())
    chosen = choose_format(encodings)
    if chosen is None:
        raise OfferError("None of the offered audio codecs is served; offer opus, PCMU or PCMA.", "a=rtpmap")
    extensions = _extension_ids(section, session)
    feedback = _feedback(section, line, chosen.payload_type)
    return AudioOffer(
        format=chosen,
        events=choose_events(encodings, chosen.clock_rate),
        direction=_direction(section) or _direction(session) or Direction.SENDRECV,
        ssrcs=_ssrcs(section),
        audio_level_id=extensions.get(AUDIO_LEVEL_URI),
        mid_id=extensions.get(MID_URI),
        rtcp_rsize=section.has("rtcp-rsize"),
        nack="nack" in feedback,
        transport_cc_id=extensions.get(TRANSPORT_CC_URI) if "transport-cc" in feedback else None,
        reception=read_reception(section, chosen),
    )


def _direction(section: Section) -> Direction | None:
    return next((direction for direction in Direction if section.has(direction.value)), None)


def _extension_ids(section: Section, session: Section) -> dict[str, int]:
    """URI → id, as the section says or else the session; an id may carry a direction, `1/sendonly`.

    RFC 8285 section 5: each section numbers for itself.
    """
    ids: dict[str, int] = {}
    for extmap in (*section.every("extmap"), *session.every("extmap")):
        number, _, rest = extmap.partition(" ")
        extension_id = read_number(number.partition("/")[0], _MAX_EXTENSION_ID)
        uri = rest.split(" ", 1)[0]
        if extension_id and extension_id != _RESERVED_EXTENSION_ID:
            ids.setdefault(uri, extension_id)
    return ids


def _feedback(section: Section, line: MediaLine, payload_type: int) -> frozenset[str]:
    """What the client can do with RTCP feedback on our codec (RFC 4585 section 4.2); nothing with a plain profile."""
    if not line.protocol.endswith("F"):
        return frozenset()
    offered = (value.partition(" ") for value in section.every("rtcp-fb"))
    return frozenset(kind.strip() for target, _, kind in offered if target in ("*", str(payload_type)))


def _ssrcs(section: Section) -> frozenset[int]:
    found: set[int] = set()
    for value in section.every("ssrc"):
        ssrc = read_number(value.partition(" ")[0], _MAX_SSRC)
        if ssrc is not None and len(found) < _MAX_SSRCS:
            found.add(ssrc)
    return frozenset(found)


def _first(places: list[Section], name: str) -> str | None:
    return next((value for place in places if (value := place.first(name)) is not None), None)


def _ice_credentials(places: list[Section]) -> IceCredentials:
    ufrag, pwd = _first(places, "ice-ufrag"), _first(places, "ice-pwd")
    if ufrag is None or pwd is None:
        raise OfferError("The offer has no ICE credentials (a=ice-ufrag and a=ice-pwd).", "a=ice-ufrag")
    # RFC 8839 section 5.4: 4 to 256 and 22 to 256 ice-chars.
    if not (4 <= len(ufrag) <= 256 and _ICE_CHARS.fullmatch(ufrag)):
        raise OfferError("a=ice-ufrag must be 4 to 256 letters, digits, '+' or '/'.", "a=ice-ufrag")
    if not (22 <= len(pwd) <= 256 and _ICE_CHARS.fullmatch(pwd)):
        raise OfferError("a=ice-pwd must be 22 to 256 letters, digits, '+' or '/'.", "a=ice-pwd")
    return IceCredentials(ufrag, pwd)


def _our_role(places: list[Section]) -> DtlsRole:
    """Active wherever the client leaves it to us: the ClientHello then leaves with our first STUN response."""
    setup = _first(places, "setup")
    match setup:
        case "actpass" | "passive":
            return DtlsRole.CLIENT
        case "active" | None:
            # RFC 4145 section 4: without the attribute an offerer is active.
            return DtlsRole.SERVER
        case _:
            raise OfferError(f"a=setup:{setup[:16]} is not served; offer a=setup:actpass.", "a=setup")


def _fingerprints(places: list[Section]) -> tuple[Fingerprint, ...]:
    for place in places:
        if place.has("fingerprint"):
            found = tuple(_strong(place.every("fingerprint")))
            if not found:
                raise OfferError(
                    "No a=fingerprint of the offer uses a hash that is accepted: sha-256, sha-384 or sha-512.",
                    "a=fingerprint",
                )
            return found
    raise OfferError("The offer has no a=fingerprint: media must be encrypted with DTLS-SRTP.", "a=fingerprint")


def _strong(values: Iterator[str]) -> Iterator[Fingerprint]:
    for value in values:
        algorithm, _, digest = value.partition(" ")
        algorithm = algorithm.lower()
        if algorithm not in _DIGEST_BYTES:
            continue
        try:
            octets = bytes.fromhex(digest.strip().replace(":", ""))
        except ValueError:
            octets = b""
        if len(octets) != _DIGEST_BYTES[algorithm]:
            raise OfferError(f"The {algorithm} fingerprint of the offer is malformed.", "a=fingerprint")
        yield Fingerprint(algorithm, octets)
