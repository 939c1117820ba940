"""Our audio: frames in, RTP packets out, again if the client misses them, and what a sender report says about them."""

import secrets
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from transceiver.media_port.interface import MAX_SCHEDULED
from transceiver.sdp.offer import AudioOffer
from transceiver.session.retransmission import RetransmissionHistory
from transceiver.session.rtcp import ReportBlock
from transceiver.session.rtp import HEADER_BYTES, build_extensions, build_rtp, extension_bytes

_TIMESTAMP_RANGE: Final = 1 << 32
_SEQUENCE_RANGE: Final = 1 << 16
_VOICE: Final = 0x80
_QUIET_DBOV: Final = 50
"""From here on a model's frame is a pause, or the noise of one."""


class _Scheduled(NamedTuple):
    sequence: int
    packet: bytes
    payload_bytes: int
    due: float


class AudioSender:
    """One outgoing stream with an SSRC, and random offsets as RFC 3550 section 5.1 asks.

    Args:
        audio: what the client offered.
        mid: of the audio section, None if it has none.
    """

    def __init__(self, audio: AudioOffer, mid: str | None) -> None:
        self.ssrc = secrets.randbits(32)
        self.packets_sent = 0
        self.octets_sent = 0
        self.packets_repeated = 0
        self.fraction_lost = 0.0
        """Share of our packets that the client missed lately, by its last report."""
        self.packets_lost = 0
        self._sequence = secrets.randbits(15)
        self._offset = secrets.randbits(32)
        self._last_timestamp = self._offset
        self._last_sent_at = 0.0
        self._heard = False
        self._last_left = self._sequence
        self._highest_received: int | None = None
        self._history: RetransmissionHistory | None = None
        self._scheduled: deque[_Scheduled] = deque()
        self._extensions_of: dict[int | None, bytes] = {}
        self.configure(audio, mid)

    def configure(self, audio: AudioOffer, mid: str | None) -> None:
        """Takes a later offer of the same client."""
        self._format = audio.format
        self._payload_type = audio.format.payload_type
        self._enabled = audio.direction.reversed.sends
        if not audio.nack:
            self._history = None
        elif self._history is None:
            self._history = RetransmissionHistory()
        self._level_id = audio.audio_level_id
        self._mid = {audio.mid_id: mid.encode()} if audio.mid_id is not None and mid is not None else {}
        self._extensions_of.clear()

    def packetize(self, payload: bytes, rtp_timestamp: int, marker: bool, now: float) -> bytes | None:
        """The packet for a frame that is sent now; None if the client does not receive audio."""
        packet = self._next_packet(payload, rtp_timestamp, marker, now)
        if packet is not None:
            self._sent(self._sequence, packet, len(payload), now)
        return packet

    def schedule(
        self, payload: bytes, rtp_timestamp: int, marker: bool, due: float, level_dbov: int | None = None
    ) -> bytes | None:
        """The same for one that is sent when `due` has come. It counts as sent once `settle` says so."""
        packet = self._next_packet(payload, rtp_timestamp, marker, due, level_dbov)
        if packet is not None:
            if len(self._scheduled) >= MAX_SCHEDULED:
                # More than these do not wait anywhere.
                self.settle(MAX_SCHEDULED - 1)
            self._scheduled.append(_Scheduled(self._sequence, packet, len(payload), due))
        return packet

    @property
    def has_scheduled(self) -> bool:
        """Whether there are packets of which it is not known that they have left."""
        return bool(self._scheduled)

    def settle(self, waiting: int) -> None:
        """All but the last `waiting` scheduled packets have left. Only those may be repeated, and are reported."""
        while len(self._scheduled) > waiting:
            self._sent(*self._scheduled.popleft())

    def take_back(self, count: int) -> None:
        """The last `count` scheduled packets will not leave: their sequence numbers serve again."""
        self.settle(count)
        self._sequence = (self._sequence - len(self._scheduled)) % _SEQUENCE_RANGE
        self._scheduled.clear()

    def _next_packet(
        self, payload: bytes, rtp_timestamp: int, marker: bool, when: float, level_dbov: int | None = None
    ) -> bytes | None:
        if not self._enabled:
            return None
        timestamp = self._last_timestamp = (rtp_timestamp + self._offset) % _TIMESTAMP_RANGE
        self._last_sent_at = when
        sequence = self._sequence = (self._sequence + 1) % _SEQUENCE_RANGE
        extensions = self._extensions_of.get(level_dbov)
        if extensions is None:
            extensions = self._extensions_of[level_dbov] = self._extensions(level_dbov)
        return build_rtp(self._payload_type, marker, sequence, timestamp, self.ssrc, payload, extensions)

    def _extensions(self, level_dbov: int | None) -> bytes:
        """Level and MID, which goes along until reports show that the client has found the stream (RFC 9143, 9.2)."""
        elements = {} if self._heard else dict(self._mid)
        if level_dbov is not None and self._level_id is not None:
            # RFC 6464 section 3: a flag for voice, and seven bits.
            elements[self._level_id] = bytes([level_dbov | (_VOICE if level_dbov < _QUIET_DBOV else 0)])
        return build_extensions(elements) if elements else b""

    def _sent(self, sequence: int, packet: bytes, payload_bytes: int, now: float) -> None:
        self.packets_sent += 1
        self.octets_sent += payload_bytes
        self._last_left = sequence
        if self._history is not None:
            self._history.add(sequence, packet, now)

    def repeat(self, sequences: Iterable[int], now: float, round_trip_s: float) -> tuple[list[bytes], bool]:
        """Packets that the client misses, as they were, and whether it asked for more than it gets."""
        if self._history is None:
            return [], False
        packets, refused = self._history.repeat(sequences, now, round_trip_s)
        self.packets_repeated += len(packets)
        # RFC 3550 section 6.4.1 counts what was transmitted, payloads only.
        self.packets_sent += len(packets)
        for packet in packets:
            self.octets_sent += len(packet) - HEADER_BYTES - extension_bytes(packet)
        return packets, refused

    def timestamp_at(self, now: float) -> int:
        """The RTP timestamp that belongs to `now`, extrapolated from the last packet, which may be yet to leave."""
        elapsed = int((now - self._last_sent_at) * self._format.clock_rate)
        return (self._last_timestamp + elapsed) % _TIMESTAMP_RANGE

    def report_received(self, block: ReportBlock) -> None:
        """Takes what the client says about our stream."""
        if not self._heard:
            self._heard = True
            self._extensions_of.clear()
        self.fraction_lost = block.fraction_lost / 256
        self.packets_lost = block.cumulative_lost
        self._highest_received = block.highest_sequence % _SEQUENCE_RANGE

    @property
    def unconfirmed(self) -> int | None:
        """How many packets have left since the newest that the client reports to have received; None: no report yet."""
        if self._highest_received is None:
            return None
        packets = (self._last_left - self._highest_received) % _SEQUENCE_RANGE
        # It cannot have received what has not left; if it says so, it has received all that has.
        return packets if packets < _SEQUENCE_RANGE // 2 else 0
