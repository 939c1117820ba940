"""The jitter buffer: frames with gaps and delays in, pieces that follow each other without a gap out. Sans-IO.

The listener is a model, which has no sound card to feed. So audio that comes in order is not held back at all, and the
playout clock (`PlayoutDelay`) says one thing only: until when to wait for what has not come. Then

- what was lost is concealed, with the redundant copy in the packet behind it where there is one;
- what is merely late (nothing newer has come either) is concealed for the time being, and still heard when it comes:
  media time then runs ahead of the client's clock, and silence is left out later to make up for it;
- what a client with DTX did not send is silence.

The client's clock may run faster or slower than ours: every sample is passed on once, so nothing piles up.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from transceiver.audio.counters import AudioCounters
from transceiver.playout.frame_duration import duration_us
from transceiver.session.actions import AudioReceived
from transceiver.session.playout_delay import SHORTEST_S, PlayoutDelay

STEP_US: Final = 2_500
"""Opus conceals in steps of this (RFC 6716 section 2.1.4)."""
FRAME_US: Final = 20_000
"""What the clock conceals at a time while nothing comes."""
LONGEST_PIECE_US: Final = 120_000
LONGEST_CONCEALMENT_US: Final = 100_000
"""By then a codec's concealment has faded away, and silence is as good."""
LARGEST_GAP_US: Final = 1_000_000
"""A leap of timestamps beyond the clock by more than this is a mistake of the client's, not a loss."""
LARGEST_LATENESS_US: Final = 2_000_000
"""What is inserted at most: audio that comes later still is heard, but nothing is left out for it."""
LARGEST_STALL_US: Final = 10_000_000
"""What the clock makes good at once at most, after this process stood still."""

GRACE_S: Final = 0.01
"""The session gives a missing packet up when it is due; the packet behind it then comes in time to repair the loss."""

_MICROSECONDS: Final = 1_000_000
_DTX_BYTES: Final = 2
"""An Opus packet of a byte or two says that silence follows (RFC 7587 section 3.1.3)."""


class Kind(IntEnum):
    """What a piece is made from; the numbers are the native decoder's."""

    FRAME = 0
    LOST = 1
    SILENCE = 2


class Piece(NamedTuple):
    """A stretch of the caller's audio, to be decoded.

    Attributes:
        payload: FRAME: the packet's. LOST: the packet's that follows, if it is there, else empty.
        duration_us: how long it lasts.
        inserted_us: by how much media time runs further ahead of the client's clock from this piece on.
    """

    kind: Kind
    payload: bytes
    duration_us: int
    inserted_us: int = 0


class JitterBuffer:
    """One caller's audio.

    Args:
        codec: "opus", "PCMU" or "PCMA".
        clock_rate: of its RTP timestamps, in Hz.
        delay: the playout clock, which the session tells about every packet.
    """

    def __init__(self, codec: str, clock_rate: int, delay: PlayoutDelay, counters: AudioCounters) -> None:
        self._codec = codec
        self._clock_rate = clock_rate
        self._delay = delay
        self._counters = counters
        self._pieces: list[Piece] = []
        self._position_us: int | None = None
        """Where the next frame is expected, on the client's clock."""
        self._filled_us = 0
        """What the clock has made up from there on."""
        self._follows_at = 0.0
        """When the next frame comes if it is as late as the last."""
        self._silent = False

    def receive(self, frame: AudioReceived, now: float) -> None:
        """Takes a frame, in order."""
        length_us = duration_us(frame.codec, frame.payload)
        if length_us == 0 or length_us > LONGEST_PIECE_US:
            # Its time is a gap, which the next frame or the clock closes.
            self._counters.corrupt_frames += 1
            return
        self.handle_timeout(now)
        at_us = frame.rtp_timestamp * _MICROSECONDS // self._clock_rate
        gap_us = 0
        if self._position_us is not None:
            gap_us = at_us - self._position_us - self._filled_us
        inserted_us = self._close_gap(gap_us, frame)
        self._pieces.append(Piece(Kind.FRAME, frame.payload, length_us, inserted_us))
        self._counters.frames += 1
        self._counters.heard_us += length_us
        self._counters.target_us += int(self._delay.target_s * _MICROSECONDS)
        self._position_us = at_us + length_us
        self._follows_at = now + length_us / _MICROSECONDS
        self._filled_us = 0
        self._silent = self._codec == "opus" and len(frame.payload) <= _DTX_BYTES

    def next_timeout(self) -> float | None:
        """When the next frame is no longer waited for; None before the first."""
        if self._position_us is None:
            return None
        due = self._delay.due((self._position_us + self._filled_us) / _MICROSECONDS)
        # What comes later than the clock allows, frame by frame, is not filled up before each of them.
        return max(due, self._follows_at + self._filled_us / _MICROSECONDS + SHORTEST_S) + GRACE_S

    def handle_timeout(self, now: float) -> None:
        """Makes up what is due and has not come."""
        due = self.next_timeout()
        if due is None or due > now or self._position_us is None:
            return
        overdue_us = int((now - due) * _MICROSECONDS)
        if overdue_us > LARGEST_STALL_US:
            self._counters.discontinuities += 1
            self._position_us += overdue_us
            overdue_us = 0
        while overdue_us >= 0:
            length_us = FRAME_US
            if self._silent or self._filled_us >= LONGEST_CONCEALMENT_US:
                length_us = min(max(FRAME_US, overdue_us // STEP_US * STEP_US), LONGEST_PIECE_US)
                self._silence(length_us)
            else:
                self._conceal(length_us, b"")
            self._filled_us += length_us
            overdue_us -= length_us

    def take_pieces(self) -> list[Piece]:
        """What has become ready, in order."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def _close_gap(self, gap_us: int, frame: AudioReceived) -> int:
        """Makes up what is missing before `frame`; returns by how much media time now runs further ahead."""
        if gap_us > LARGEST_GAP_US or gap_us < -LARGEST_LATENESS_US:
            self._counters.discontinuities += 1
            return 0
        if gap_us < 0:
            self._counters.inserted_us -= gap_us
            return -gap_us
        missing_us = gap_us // STEP_US * STEP_US
        if missing_us == 0:
            return -gap_us
        if frame.lost_before == 0 or self._silent:
            self._silence(missing_us)
        elif missing_us <= LONGEST_PIECE_US:
            self._conceal(missing_us, frame.payload)
        else:
            faded_us = max(0, LONGEST_CONCEALMENT_US - self._filled_us)
            if faded_us:
                self._conceal(faded_us, b"")
            self._silence(missing_us - faded_us - FRAME_US)
            self._conceal(FRAME_US, frame.payload)
        return missing_us - gap_us

    def _conceal(self, length_us: int, next_payload: bytes) -> None:
        self._counters.concealed_us += length_us
        self._pieces.append(Piece(Kind.LOST, next_payload, length_us))

    def _silence(self, length_us: int) -> None:
        self._counters.silence_us += length_us
        while length_us > 0:
            piece_us = min(length_us, LONGEST_PIECE_US)
            self._pieces.append(Piece(Kind.SILENCE, b"", piece_us))
            length_us -= piece_us
