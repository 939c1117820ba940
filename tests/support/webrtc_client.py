"""A WebRTC client for tests: full ICE, DTLS-SRTP, RTP and RTCP. Sans-IO: it runs in virtual time or on a socket.

It shares no code with the transceiver. What it sends goes to the one candidate of the answer that it chooses.
"""

import re
import secrets
from dataclasses import dataclass, field
from struct import pack, unpack_from

import pylibsrtp

from tests.support.client_dtls import ClientDtls, ClientIdentity
from tests.support.client_ice import ClientIce

OPUS = 111
TELEPHONE_EVENT = 110
MID_ID = 4
LEVEL_ID = 1
TRANSPORT_CC_ID = 3

_IDENTITIES: dict[bytes | None, ClientIdentity] = {}


def shared_identity(profiles: bytes | None = None) -> ClientIdentity:
    """One certificate per test process and set of SRTP profiles."""
    if profiles not in _IDENTITIES:
        _IDENTITIES[profiles] = ClientIdentity() if profiles is None else ClientIdentity(profiles)
    return _IDENTITIES[profiles]


@dataclass
class ReceivedAudio:
    """An RTP packet that the client has heard."""

    payload: bytes
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    at: float
    extension: bytes
    """The elements of its header extension, if it has one."""


@dataclass
class ClientOptions:
    """How a client differs from the ordinary one."""

    setup: str = "actpass"
    profiles: bytes | None = None
    announce_ssrc: bool = True
    mid_extension: bool = True
    data_channel: bool = False
    fingerprint: str | None = None
    direction: str = "sendrecv"
    extra_attributes: tuple[str, ...] = field(default=())
    nominate_from: int = 2
    transport_cc: bool = False
    """Whether packets carry transport-wide sequence numbers, which the offer always announces."""
    reduced_size: bool = True
    payload_type: int = OPUS
    """The one codec that is offered: OPUS, 0 (PCMU) or 8 (PCMA). OPUS stands for all three."""


class WebRtcClient:
    """Call `offer`, hand the answer to `accept`, then move datagrams and time."""

    def __init__(self, options: ClientOptions | None = None) -> None:
        self.options = options or ClientOptions()
        self.identity = shared_identity(self.options.profiles)
        self.ice = ClientIce(self.options.nominate_from)
        self.dtls: ClientDtls | None = None
        self.ssrc = secrets.randbits(32)
        self.sequence = 65_500
        """Wraps early in every test."""
        self.transport_sequence = 65_500
        self.audio: list[ReceivedAudio] = []
        self.rtcp: list[bytes] = []
        self.connected_at: float | None = None
        self.answer = ""
        self._out: list[bytes] = []

    def offer(self) -> str:
        """An offer in the shape of Chromium's."""
        options = self.options
        mids = "0 1" if options.data_channel else "0"
        formats = "111 0 8" if options.payload_type == OPUS else str(options.payload_type)
        lines = [
            "v=0",
            "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            f"a=group:BUNDLE {mids}",
            "a=extmap-allow-mixed",
            "a=msid-semantic: WMS stream",
            f"m=audio 9 UDP/TLS/RTP/SAVPF {formats} {TELEPHONE_EVENT}",
            "c=IN IP4 0.0.0.0",
            "a=rtcp:9 IN IP4 0.0.0.0",
            *self._transport("0"),
            f"a=extmap:{LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            f"a=extmap:{TRANSPORT_CC_ID} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        ]
        if options.mid_extension:
            lines.append(f"a=extmap:{MID_ID} urn:ietf:params:rtp-hdrext:sdes:mid")
        lines += [
            f"a={options.direction}",
            "a=rtcp-mux",
            *(["a=rtcp-rsize"] if options.reduced_size else []),
            "a=rtpmap:111 opus/48000/2",
            "a=rtcp-fb:111 transport-cc",
            "a=fmtp:111 minptime=10;useinbandfec=1",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:8 PCMA/8000",
            f"a=rtpmap:{TELEPHONE_EVENT} telephone-event/48000",
            *options.extra_attributes,
        ]
        if options.announce_ssrc:
            lines.append(f"a=ssrc:{self.ssrc} cname:client")
        if options.data_channel:
            lines += ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0"]
            lines += [*self._transport("1"), "a=sctp-port:5000", "a=max-message-size:262144"]
        return "\r\n".join(lines) + "\r\n"

    def _transport(self, mid: str) -> list[str]:
        return [
            f"a=ice-ufrag:{self.ice.ufrag}",
            f"a=ice-pwd:{self.ice.pwd}",
            "a=ice-options:trickle",
            f"a=fingerprint:sha-256 {self.options.fingerprint or self.identity.fingerprint}",
            f"a=setup:{self.options.setup}",
            f"a=mid:{mid}",
        ]

    def accept(self, answer: str, now: float) -> None:
        """Takes the answer and begins with ICE. A later answer restarts it."""
        self.answer = answer
        if self.dtls is None:
            role = self._attribute("setup")
            self.dtls = ClientDtls(
                self.identity,
                client=role == "passive",
                remote_fingerprint=self._attribute("fingerprint").removeprefix("sha-256 "),
            )
        self.ice.start(self._attribute("ice-ufrag"), self._attribute("ice-pwd"), now)

    def restart_ice(self) -> str:
        """A new offer with new credentials."""
        self.ice = ClientIce(self.options.nominate_from)
        return self.offer()

    def _attribute(self, name: str) -> str:
        match = re.search(rf"^a={name}:(.*?)\r?$", self.answer, re.MULTILINE)
        assert match is not None, f"the answer has no a={name}"
        return match[1]

    def next_timeout(self) -> float | None:
        timeouts = [self.ice.next_timeout(), self.dtls.next_timeout() if self.dtls else None]
        return min((timeout for timeout in timeouts if timeout is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        check = self.ice.handle_timeout(now)
        if check is not None:
            self._out.append(check)
        if self.dtls is not None:
            self.dtls.handle_timeout(now)

    def receive(self, datagram: bytes, now: float) -> None:
        """A datagram from the candidate."""
        first = datagram[0]
        if first < 4:
            was_connected = self.ice.connected
            self.ice.receive(datagram)
            if self.ice.connected and not was_connected and self._is_dtls_client():
                assert self.dtls is not None
                self.dtls.start(now)
        elif 20 <= first < 64:
            if self.dtls is None:
                return  # somebody had this port before, and is being told that its call is over
            self.dtls.receive(datagram, now)
            if self.dtls.established and self.connected_at is None:
                self.connected_at = now
        elif first >= 128:
            self._media_received(datagram, now)

    def _is_dtls_client(self) -> bool:
        return self._attribute("setup") == "passive"

    def _media_received(self, datagram: bytes, now: float) -> None:
        if self.dtls is None or not self.dtls.established:
            return
        self.dtls.settle()
        is_rtcp = 192 <= datagram[1] <= 223
        try:
            packet = (self.dtls.inbound.unprotect_rtcp if is_rtcp else self.dtls.inbound.unprotect)(datagram)
        except pylibsrtp.Error as error:
            if "replay" in str(error):
                return  # a network that duplicates
            raise
        if is_rtcp:
            self.rtcp.append(packet)
        else:
            self._rtp_received(packet, now)

    def _rtp_received(self, packet: bytes, now: float) -> None:
        first, second, sequence, timestamp, ssrc = unpack_from("!BBHII", packet)
        start = 12
        if first & 0x10:
            start += 4 + 4 * int(unpack_from("!H", packet, 14)[0])
        extension = packet[16:start]
        self.audio.append(
            ReceivedAudio(packet[start:], second & 0x7F, sequence, timestamp, ssrc, bool(second & 0x80), now, extension)
        )

    def audio_packet(
        self, payload: bytes, timestamp: int, *, level: int | None = None, mid: str | None = None
    ) -> bytes:
        """The next RTP packet, not yet protected."""
        elements = b""
        if level is not None:
            elements += bytes([LEVEL_ID << 4, level])
        if mid is not None:
            elements += bytes([MID_ID << 4 | len(mid) - 1]) + mid.encode()
        if self.options.transport_cc:
            self.transport_sequence = (self.transport_sequence + 1) % 65_536
            elements += bytes([TRANSPORT_CC_ID << 4 | 1]) + self.transport_sequence.to_bytes(2, "big")
        extension = b""
        if elements:
            elements += bytes(-len(elements) % 4)
            extension = pack("!HH", 0xBEDE, len(elements) // 4) + elements
        self.sequence = (self.sequence + 1) % 65_536
        first = 0x90 if extension else 0x80
        header = pack("!BBHII", first, self.options.payload_type, self.sequence, timestamp % (1 << 32), self.ssrc)
        return header + extension + payload

    def event_packet(self, payload: bytes, timestamp: int, *, marker: bool) -> bytes:
        """The next RTP packet with a telephone event, not yet protected."""
        self.sequence = (self.sequence + 1) % 65_536
        second = TELEPHONE_EVENT | (0x80 if marker else 0)
        return pack("!BBHII", 0x80, second, self.sequence, timestamp % (1 << 32), self.ssrc) + payload

    def protect(self, packet: bytes) -> bytes:
        assert self.dtls is not None
        return self.dtls.outbound.protect(packet)

    def send_audio(self, payload: bytes, timestamp: int, *, level: int | None = None, mid: str | None = None) -> None:
        """Queues one frame."""
        self._out.append(self.protect(self.audio_packet(payload, timestamp, level=level, mid=mid)))

    def send_rtp(self, packet: bytes) -> None:
        """Queues one packet."""
        self._out.append(self.protect(packet))

    def send_rtcp(self, compound: bytes) -> None:
        """Queues one compound packet."""
        assert self.dtls is not None
        self._out.append(self.dtls.outbound.protect_rtcp(compound))

    def send_application_data(self, data: bytes) -> None:
        """Queues one DTLS application record."""
        assert self.dtls is not None
        self.dtls.send(data)

    def close(self) -> None:
        """Says close_notify and falls silent."""
        assert self.dtls is not None
        self.dtls.close()
        self.ice.stop()

    def take_datagrams(self) -> list[bytes]:
        """What is to be sent to the candidate."""
        out, self._out = self._out, []
        if self.dtls is not None:
            out += self.dtls.take_datagrams()
        return out
