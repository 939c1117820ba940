"""Keys that the client presses: telephone-event packets in, one `KeyPressed` per press out.

RFC 4733 section 2.3, https://www.rfc-editor.org/rfc/rfc4733#section-2.3:

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |     event     |E|R| volume    |          duration             |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

All packets of a press carry its beginning as their timestamp, and its duration so far. The last one has the E bit and
is sent three times. A press too long for the duration field goes on under a new timestamp without a marker (2.5.1.3).
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from transceiver.session.actions import KeyPressed
from transceiver.session.rtp import RtpPacket

PAYLOAD_BYTES: Final = 4
KEYS: Final = "0123456789*#ABCD"
"""By event code (RFC 4733 section 3.2)."""
SILENCE_S: Final = 0.15
"""Three of the usual intervals without an update: the press is over, its last packets are lost (section 2.6.2)."""

_PAYLOAD: Final = Struct("!BBH")
_END: Final = 0x80
_TIMESTAMP_RANGE: Final = 1 << 32
_MAX_DURATION: Final = 0xFFFF


@dataclass(slots=True)
class _Press:
    key: int
    timestamp: int
    duration: int
    updated_at: float
    former_segments: int = 0


class TelephoneEvents:
    """One stream's presses. Packets are to come in order.

    Args:
        clock_rate: of the payload type, in Hz.
    """

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._press: _Press | None = None
        self._ended: int | None = None
        self._finished: list[KeyPressed] = []

    @property
    def is_pressed(self) -> bool:
        """Whether a press has begun and not ended."""
        return self._press is not None

    def receive(self, packet: RtpPacket, now: float) -> None:
        """Takes the next packet; other events than keys are passed over."""
        key, flags, duration = _PAYLOAD.unpack_from(packet.payload)
        if key >= len(KEYS) or packet.timestamp == self._ended:
            return
        press = self._press
        if press is not None and packet.timestamp != press.timestamp:
            elapsed = (packet.timestamp - press.timestamp) % _TIMESTAMP_RANGE
            if packet.marker or key != press.key or elapsed > _MAX_DURATION:
                self._finish(press)
                press = None
            else:
                press.former_segments += elapsed
                press.timestamp, press.duration = packet.timestamp, duration
        if press is None:
            press = self._press = _Press(key, packet.timestamp, duration, now)
        press.duration = max(press.duration, duration)
        press.updated_at = now
        if flags & _END:
            self._finish(press)

    def audio_received(self, now: float) -> None:
        """The client speaks: a press without news for a while is over."""
        if self._press is not None and now - self._press.updated_at > SILENCE_S:
            self._finish(self._press)

    def take_finished(self) -> list[KeyPressed]:
        """The presses that have ended."""
        finished, self._finished = self._finished, []
        return finished

    def _finish(self, press: _Press) -> None:
        duration_ms = (press.former_segments + press.duration) * 1000 // self._clock_rate
        self._finished.append(KeyPressed(KEYS[press.key], duration_ms))
        self._ended = press.timestamp
        self._press = None
