"""SRTP and SRTCP of one session on libsrtp (RFC 3711, RFC 7714)."""

from collections.abc import Callable
from typing import Final

import pylibsrtp

from transceiver.media_port.interface import SrtpKeys, SrtpProfile
from transceiver.session.rtp import HEADER_BYTES as RTP_HEADER_BYTES
from wire.drop import DropReason

MAX_INBOUND_SSRCS: Final = 16
"""libsrtp keeps a replay window and a rollover counter per SSRC; an authentic client may not make it grow for ever."""
MAX_PROTECTED_BYTES: Final = 1500
"""pylibsrtp's buffer."""
MAX_PLAIN_BYTES: Final = 1352
"""What pylibsrtp protects: its buffer less the longest trailer it reckons with. The longest Opus frame has 1275."""

_PROFILES: Final = {
    SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
_WINDOW_PACKETS: Final = 1024
_RTCP_HEADER_BYTES: Final = 8
_RTCP_INDEX_BYTES: Final = 4


class SrtpSession:
    """Both directions of one session."""

    def __init__(self, keys: SrtpKeys) -> None:
        self._inbound = _session(keys.profile, keys.inbound, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self._outbound = _session(keys.profile, keys.outbound, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self._ssrcs: set[bytes] = set()
        # libsrtp finds the same, but calls some of it a failed authentication.
        self._shortest_rtp = RTP_HEADER_BYTES + keys.profile.tag_bytes
        self._shortest_rtcp = _RTCP_HEADER_BYTES + _RTCP_INDEX_BYTES + keys.profile.tag_bytes

    def unprotect(self, packet: bytes) -> bytes | DropReason:
        """An RTP packet out of an SRTP packet."""
        if len(packet) < self._shortest_rtp:
            return DropReason.MALFORMED_RTP
        return self._open(self._inbound.unprotect, packet, packet[8:12], DropReason.MALFORMED_RTP)

    def unprotect_rtcp(self, packet: bytes) -> bytes | DropReason:
        """An RTCP packet out of an SRTCP packet."""
        if len(packet) < self._shortest_rtcp:
            return DropReason.MALFORMED_RTCP
        return self._open(self._inbound.unprotect_rtcp, packet, packet[4:8], DropReason.MALFORMED_RTCP)

    def protect(self, packet: bytes) -> bytes | DropReason:
        """An SRTP packet out of an RTP packet of ours."""
        if len(packet) > MAX_PLAIN_BYTES:
            return DropReason.OVERSIZED_DATAGRAM
        try:
            return self._outbound.protect(packet)
        except pylibsrtp.Error as error:
            # Repeated when it is long gone.
            return _reason(error, DropReason.MALFORMED_RTP)

    def protect_rtcp(self, packet: bytes) -> bytes | DropReason:
        """An SRTCP packet out of an RTCP packet of ours."""
        return self._outbound.protect_rtcp(packet) if len(packet) <= MAX_PLAIN_BYTES else DropReason.OVERSIZED_DATAGRAM

    def _open(
        self, unprotect: Callable[[bytes], bytes], packet: bytes, ssrc: bytes, malformed: DropReason
    ) -> bytes | DropReason:
        if len(packet) > MAX_PROTECTED_BYTES:
            return DropReason.OVERSIZED_DATAGRAM
        if ssrc not in self._ssrcs and len(self._ssrcs) >= MAX_INBOUND_SSRCS:
            return DropReason.UNKNOWN_SSRC
        try:
            opened = unprotect(packet)
        except pylibsrtp.Error as error:
            return _reason(error, malformed)
        self._ssrcs.add(ssrc)
        return opened


def _session(profile: SrtpProfile, key: bytes, direction: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=_PROFILES[profile])
    policy.window_size = _WINDOW_PACKETS
    # A NACK is answered with the same packet again: the same index, but the same plaintext too, so no keystream meets
    # a second text. It says nothing about the inbound side, whose replays are refused all the same.
    policy.allow_repeat_tx = True
    return pylibsrtp.Session(policy=policy)


def _reason(error: pylibsrtp.Error, malformed: DropReason) -> DropReason:
    """pylibsrtp tells libsrtp's error codes apart by their text only."""
    text = str(error)
    if text.startswith(("replay check failed", "packet index is too old")):
        return DropReason.SRTP_REPLAYED
    if text in ("authentication failure", "cipher failure"):
        return DropReason.SRTP_AUTH_FAILED
    return malformed
