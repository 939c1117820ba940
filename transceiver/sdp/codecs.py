"""The audio codecs that a session can carry, and how an offer's payload types name them."""

from dataclasses import dataclass

from transceiver.sdp.lines import Section


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


# RFC 3551 section 6: payload types that need no rtpmap.
_STATIC = {0: "PCMU/8000", 8: "PCMA/8000"}
_KNOWN = {"opus/48000/2": ("opus", 48_000), "pcmu/8000": ("PCMU", 8_000), "pcma/8000": ("PCMA", 8_000)}
_PREFERENCE = ("opus", "PCMU", "PCMA")


def choose_format(audio: Section, formats: list[str]) -> AudioFormat | None:
    """The codec to answer with: Opus if it is offered, else PCMU, else PCMA; None if there is none of them.

    Args:
        audio: the m=audio section.
        formats: the payload types of its m= line, in the offer's order.
    """
    mapped = dict(_STATIC)
    for rtpmap in audio.every("rtpmap"):
        number, _, encoding = rtpmap.partition(" ")
        if number.isdecimal() and int(number) < 128:
            mapped[int(number)] = encoding.strip()
    offered: dict[str, AudioFormat] = {}
    for text in formats:
        if not text.isdecimal() or int(text) not in mapped:
            continue
        known = _KNOWN.get(mapped[int(text)].lower().removesuffix("/1"))
        if known is not None:
            offered.setdefault(known[0], AudioFormat(known[0], int(text), known[1]))
    return next((offered[name] for name in _PREFERENCE if name in offered), None)
