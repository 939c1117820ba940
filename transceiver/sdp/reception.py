"""How the client wants our audio: parameters of Opus (RFC 7587 section 6.1) and packet time (RFC 8866 section 6.4).

https://www.rfc-editor.org/rfc/rfc7587#section-6.1
"""

from dataclasses import dataclass
from typing import Final

from transceiver.sdp.codecs import AudioFormat
from transceiver.sdp.lines import Section, read_number

_FRAME_MS: Final = (10, 20, 40, 60)
"""What is sent: common to Opus and to G.711."""
_USUAL_MS: Final = 20


@dataclass(frozen=True, slots=True)
class Reception:
    """What the client says of the audio that it receives. Frames that a model codes itself are not changed by it.

    Attributes:
        max_bitrate: of Opus, in bit/s (`maxaveragebitrate`); None if it does not say.
        max_playback_hz: higher bands are wasted on it (`maxplaybackrate`).
        fec: it makes use of in-band FEC (`useinbandfec`).
        dtx: it prefers that silence is not sent (`usedtx`).
        frame_ms: of one packet (`ptime`, within `maxptime` and `minptime`): 10, 20, 40 or 60.
    """

    max_bitrate: int | None = None
    max_playback_hz: int = 48_000
    fec: bool = False
    dtx: bool = False
    frame_ms: int = _USUAL_MS


def read_reception(audio: Section, chosen: AudioFormat) -> Reception:
    """Reads an m=audio section; a value that makes no sense is as good as none."""
    parameters = _parameters(audio, chosen.payload_type) if chosen.codec == "opus" else {}
    bitrate = _number(parameters.get("maxaveragebitrate"), 6_000, 510_000)
    return Reception(
        max_bitrate=bitrate,
        max_playback_hz=_number(parameters.get("maxplaybackrate"), 8_000, 48_000) or 48_000,
        fec=parameters.get("useinbandfec") == "1",
        dtx=parameters.get("usedtx") == "1",
        frame_ms=_frame_ms(audio, parameters),
    )


def _frame_ms(audio: Section, parameters: dict[str, str]) -> int:
    wanted = _number(audio.first("ptime"), 1, 1000) or _USUAL_MS
    longest = _number(audio.first("maxptime"), 1, 1000) or _FRAME_MS[-1]
    shortest = _number(parameters.get("minptime"), 1, 1000) or 0
    allowed = [each for each in _FRAME_MS if shortest <= each <= longest] or [_FRAME_MS[0]]
    return min(allowed, key=lambda each: abs(each - wanted))


def _parameters(audio: Section, payload_type: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in audio.every("fmtp"):
        number, _, rest = value.partition(" ")
        if number == str(payload_type):
            for part in rest.split(";"):
                name, _, setting = part.strip().partition("=")
                found.setdefault(name.lower(), setting.strip())
    return found


def _number(text: str | None, least: int, most: int) -> int | None:
    number = read_number(text, most)
    return number if number is not None and number >= least else None
