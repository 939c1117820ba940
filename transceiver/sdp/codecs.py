"""The audio codecs and telephone events that a session can carry, and how an offer's payload types name them."""

from dataclasses import dataclass

from transceiver.sdp.lines import Section, read_number


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One payload type with its codec.

    Attributes:
        codec: "opus", "PCMU" or "PCMA".
        payload_type: as the offer numbers it.
        clock_rate: of the RTP timestamp, in Hz.
        channels: as negotiated; 1 for Opus too, since we do not ask for stereo (RFC 7587 section 6.1: a receiver that
            does not say `stereo=1` prefers mono).
    """

    codec: str
    payload_type: int
    clock_rate: int
    channels: int = 1

    @property
    def rtpmap(self) -> str:
        """The value of `a=rtpmap`. Opus is always written with two channels (RFC 7587 section 7)."""
        channels = "/2" if self.codec == "opus" else ""
        return f"{self.payload_type} {self.codec}/{self.clock_rate}{channels}"

    @property
    def fmtp(self) -> str | None:
        """The value of `a=fmtp`: what we want to receive."""
        return f"{self.payload_type} minptime=10;useinbandfec=1" if self.codec == "opus" else None


@dataclass(frozen=True, slots=True)
class EventFormat:
    """The payload type of telephone events (RFC 4733), with the clock of its timestamps and durations in Hz."""

    payload_type: int
    clock_rate: int

    @property
    def rtpmap(self) -> str:
        """The value of `a=rtpmap`."""
        return f"{self.payload_type} telephone-event/{self.clock_rate}"

    @property
    def fmtp(self) -> str:
        """The value of `a=fmtp`: the sixteen keys (RFC 4733 section 2.4.1)."""
        return f"{self.payload_type} 0-15"


# RFC 3551 section 6: payload types that need no rtpmap.
_STATIC = {0: "PCMU/8000", 8: "PCMA/8000"}
_KNOWN = {
    "opus/48000/2": ("opus", 48_000),
    # RFC 7587 section 7 wants the "/2"; GStreamer's webrtcbin, among others, leaves it out.
    "opus/48000": ("opus", 48_000),
    "pcmu/8000": ("PCMU", 8_000),
    "pcma/8000": ("PCMA", 8_000),
}
_PREFERENCE = ("opus", "PCMU", "PCMA")
_EVENT_CLOCK_RATE = 8000
_MAX_PAYLOAD_TYPE = 127


Encodings = list[tuple[int, str]]
"""(payload type, encoding in lower case) of each format, in the offer's order."""


def choose_format(offered_encodings: Encodings) -> AudioFormat | None:
    """The codec to answer with: Opus if it is offered, else PCMU, else PCMA; None if there is none of them."""
    offered: dict[str, AudioFormat] = {}
    for payload_type, encoding in offered_encodings:
        known = _KNOWN.get(encoding)
        if known is not None:
            offered.setdefault(known[0], AudioFormat(known[0], payload_type, known[1]))
    return next((offered[name] for name in _PREFERENCE if name in offered), None)


def choose_events(offered_encodings: Encodings, clock_rate: int) -> EventFormat | None:
    """The telephone events to answer with: those in the codec's clock if offered, as RFC 4733 section 2.1 wants.

    Else those of 8 kHz, which is all that some clients offer beside Opus.
    """
    offered = {encoding: payload_type for payload_type, encoding in reversed(offered_encodings)}
    for rate in (clock_rate, _EVENT_CLOCK_RATE):
        payload_type = offered.get(f"telephone-event/{rate}")
        if payload_type is not None:
            return EventFormat(payload_type, rate)
    return None


def read_encodings(audio: Section, formats: list[str]) -> Encodings:
    """What an m=audio section offers.

    Args:
        audio: the section.
        formats: the payload types of its m= line, in the offer's order.
    """
    mapped = dict(_STATIC)
    for rtpmap in audio.every("rtpmap"):
        number, _, encoding = rtpmap.partition(" ")
        payload_type = read_number(number, _MAX_PAYLOAD_TYPE)
        if payload_type is not None:
            mapped[payload_type] = encoding.strip()
    numbers = (read_number(text, _MAX_PAYLOAD_TYPE) for text in formats)
    return [(each, mapped[each].lower().removesuffix("/1")) for each in numbers if each is not None and each in mapped]
