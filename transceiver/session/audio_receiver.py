"""The client's audio: RTP packets in any order in, frames and key presses in order out."""

from collections.abc import Collection
from typing import Final

from transceiver.media_port.interface import LaneProgress, Stream, StreamPosition
from transceiver.sdp.offer import AudioOffer
from transceiver.session.actions import AudioReceived, KeyPressed
from transceiver.session.playout_delay import PlayoutDelay
from transceiver.session.rtcp import ReportBlock
from transceiver.session.rtp import RtpPacket
from transceiver.session.source_statistics import SourceStatistics
from transceiver.session.telephone_events import PAYLOAD_BYTES, TelephoneEvents
from wire.drop import DropReason

REORDER_DEPTH: Final = 4
"""Packets held back while one before them is missing."""
REORDER_WAIT_S: Final = 0.04
"""How long they are held: two frames, more than a path reorders by in practice."""
SHORTEST_REORDER_WAIT_S: Final = 0.01
"""Where the playout clock has run out already: what a queue held up comes out at once, and not always in order."""
FOLLOWED_REORDER_DEPTH: Final = 64
"""Packets held back where the playout clock says how long."""

_TIMESTAMP_RANGE: Final = 1 << 32
_HALF_RANGE: Final = 1 << 31
_SSRC_SILENCE_S: Final = 1.0


class AudioReceiver:
    """One audio stream; the SSRC under which it comes may change.

    Args:
        audio: what the client offered.
        mid: of the audio section, None if it has none.
    """

    def __init__(self, audio: AudioOffer, mid: str | None) -> None:
        self.packets_received = 0
        self.bytes_received = 0
        self._source: SourceStatistics | None = None
        self._lost_of_former_sources = 0
        self._ready: list[AudioReceived | KeyPressed] = []
        self._held: dict[int, RtpPacket] = {}
        self._held_since = 0.0
        self._source_left = False
        self._delay: PlayoutDelay | None = None
        self._reorders_by_delay = False
        self._next = 0
        self._timestamp = 0
        self._last_timestamp = 0
        self._lost_before_event = 0
        self._event_type: int | None = None
        self._events: TelephoneEvents | None = None
        self.configure(audio, mid)

    def configure(self, audio: AudioOffer, mid: str | None) -> None:
        """Takes a later offer of the same client."""
        self._format = audio.format
        self._announced = audio.ssrcs
        self._level_id = audio.audio_level_id
        self._mid_id = audio.mid_id
        if audio.events is None:
            self._event_type = self._events = None
        elif audio.events.payload_type != self._event_type:
            self._event_type = audio.events.payload_type
            self._events = TelephoneEvents(audio.events.clock_rate)
        self._mid = mid.encode() if mid is not None else None

    def follow(self, delay: PlayoutDelay, *, reorder: bool) -> None:
        """Tells the playout clock about every packet from here on that comes to `receive`.

        Args:
            reorder: missing packets are waited for until its target, and not for REORDER_WAIT_S.
        """
        self._delay = delay
        self._reorders_by_delay = reorder

    def sources_left(self, ssrcs: Collection[int]) -> None:
        """The client says that these sources are over (BYE, RFC 3550 section 6.6): the next may begin at once."""
        if self._source is not None and self._source.ssrc in ssrcs:
            self._source_left = True

    @property
    def ssrc(self) -> int | None:
        """Where the stream comes from now; None before its first packet."""
        return self._source.ssrc if self._source is not None else None

    @property
    def packets_lost(self) -> int:
        """Expected minus received, over all sources; negative after duplicates."""
        return self._lost_of_former_sources + (self._source.lost if self._source is not None else 0)

    @property
    def jitter_s(self) -> float:
        """Interarrival jitter of the current source, in seconds."""
        return self._source.jitter / self._format.clock_rate if self._source is not None else 0.0

    def report(self, lsr: int, dlsr: int) -> ReportBlock | None:
        """A report block on the stream; None before its first packet."""
        return self._source.report(lsr, dlsr) if self._source is not None else None

    def whereabouts(self) -> tuple[Stream, StreamPosition] | None:
        """The stream and where it stands, if nothing but its next packet is waited for; None otherwise."""
        source, form = self._source, self._format
        if source is None or self._held or self._lost_before_event:
            return None
        if self._events is not None and self._events.is_pressed:
            return None
        stream = Stream(form.codec, form.clock_rate, form.payload_type, self._level_id, source.ssrc)
        position = StreamPosition(self._next, self._timestamp, self._last_timestamp, source.jitter, source.transit)
        return stream, position

    def passed(self, progress: LaneProgress) -> None:
        """Takes note of packets that a lane has passed from these whereabouts on."""
        assert self._source is not None, "a lane is opened where a source stands"
        self._source.arrived_in_order(progress)
        self.packets_received += progress.packets
        self.bytes_received += progress.payload_bytes
        self._next, self._timestamp, self._last_timestamp = progress.position[:3]

    def receive(self, packet: RtpPacket, now: float) -> DropReason | None:
        """Takes one authentic packet; a reason if it is not part of the stream."""
        is_audio = packet.payload_type == self._format.payload_type
        if not is_audio:
            if packet.payload_type != self._event_type:
                return DropReason.UNKNOWN_PAYLOAD_TYPE
            if len(packet.payload) < PAYLOAD_BYTES:
                return DropReason.MALFORMED_RTP
        source = self._source
        if source is None or packet.ssrc != source.ssrc:
            if not self._accepts(packet, now):
                return DropReason.UNKNOWN_SSRC
            source = self._start(packet, now)
        if is_audio and self._delay is not None:
            self._delay.arrived(self._timestamp + self._step(packet), now)
        extended = source.extend(packet.sequence)
        if extended < self._next or extended in self._held:
            return DropReason.LATE_PACKET
        if source.is_new_start(extended):
            self._flush()
            self._next = extended
        # An event's timestamp is that of its beginning, so it says nothing of jitter.
        source.arrived(extended, packet.timestamp if is_audio else None, now)
        self.packets_received += 1
        self.bytes_received += len(packet.payload)
        self._order(packet, extended, now)
        return None

    def next_timeout(self) -> float | None:
        """When held packets stop waiting for a missing one."""
        return self._held_until if self._held else None

    def handle_timeout(self, now: float) -> None:
        """Releases what has waited long enough."""
        if self._held and now >= self._held_until:
            self._give_up_waiting()
            self._release_consecutive(now)

    def take_frames(self) -> list[AudioReceived | KeyPressed]:
        """What has become ready, in order."""
        frames, self._ready = self._ready, []
        return frames

    @property
    def _held_until(self) -> float:
        """When a missing packet counts as lost: for the playout clock, when the last of those missing is due."""
        if self._delay is None or not self._reorders_by_delay:
            return self._held_since + REORDER_WAIT_S
        first = min(self._held)
        elapsed = self._step(self._held[first])
        missing = self._timestamp + elapsed - elapsed // (first - self._next + 1)
        return max(self._delay.due(missing / self._format.clock_rate), self._held_since + SHORTEST_REORDER_WAIT_S)

    def _step(self, packet: RtpPacket) -> int:
        """From the timestamp of the frame released last to this packet's, by the smallest distance."""
        return (packet.timestamp - self._last_timestamp + _HALF_RANGE) % _TIMESTAMP_RANGE - _HALF_RANGE

    def _accepts(self, packet: RtpPacket, now: float) -> bool:
        """Whether an SSRC that is not the current one is this stream (RFC 9143 section 9.2): by MID, else by SDP.

        A client that announces no SSRC and sends no MID is followed when it changes after a pause.
        """
        mid = packet.extensions.get(self._mid_id) if self._mid_id is not None else None
        if mid is not None:
            return mid == self._mid
        if self._announced:
            return packet.ssrc in self._announced
        return self._source is None or self._source_left or now - self._source.last_arrival > _SSRC_SILENCE_S

    def _start(self, packet: RtpPacket, now: float) -> SourceStatistics:
        """A first or a new source. The timestamps of frames go on by the time that has passed."""
        if self._source is not None:
            self._flush()
            self._lost_of_former_sources += self._source.lost
            self._timestamp += max(1, int((now - self._source.last_arrival) * self._format.clock_rate))
        self._source_left = False
        self._next = packet.sequence
        self._last_timestamp = packet.timestamp
        self._source = SourceStatistics(packet.ssrc, packet.sequence, self._format.clock_rate, now)
        return self._source

    def _order(self, packet: RtpPacket, extended: int, now: float) -> None:
        if extended == self._next:
            self._release(packet, extended, 0)
        else:
            if not self._held:
                self._held_since = now
            self._held[extended] = packet
            if len(self._held) > (FOLLOWED_REORDER_DEPTH if self._reorders_by_delay else REORDER_DEPTH):
                self._give_up_waiting()
        if self._held:
            self._release_consecutive(now)

    def _give_up_waiting(self) -> None:
        """The missing packets before the first held one are lost."""
        first = min(self._held)
        self._release(self._held.pop(first), first, first - self._next)

    def _release_consecutive(self, now: float) -> None:
        while self._next in self._held:
            self._release(self._held.pop(self._next), self._next, 0)
            self._held_since = now

    def _flush(self) -> None:
        while self._held:
            self._give_up_waiting()

    def _release(self, packet: RtpPacket, extended: int, lost_before: int) -> None:
        self._next = extended + 1
        if packet.payload_type == self._event_type:
            self._release_event(packet, lost_before)
            return
        # A timestamp may stand still (several packets of one frame); one that goes backwards is a sender's mistake.
        self._timestamp += max(0, self._step(packet))
        self._last_timestamp = packet.timestamp
        level = packet.extensions.get(self._level_id) if self._level_id is not None else None
        self._ready.append(
            AudioReceived(
                packet.payload,
                self._format.codec,
                self._timestamp,
                extended,
                packet.marker,
                level[0] & 0x7F if level else None,
                lost_before + self._lost_before_event,
            )
        )
        self._lost_before_event = 0
        if self._events is not None and self._events.is_pressed:
            self._events.audio_received(self._last_arrival)
            self._ready += self._events.take_finished()

    def _release_event(self, packet: RtpPacket, lost_before: int) -> None:
        """An event in its place in the sequence. It may have another clock, so the timestamps of frames pass it by."""
        self._lost_before_event += lost_before
        if self._events is not None:
            self._events.receive(packet, self._last_arrival)
            self._ready += self._events.take_finished()

    @property
    def _last_arrival(self) -> float:
        return self._source.last_arrival if self._source is not None else 0.0
