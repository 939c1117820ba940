"""One caller's audio as samples: from frames to what listeners hear, in order of media time. Sans-IO.

What is to be decoded is taken with `take_jobs` and comes back, in that order, with `decoded`.
"""

from collections import deque
from typing import Final, NamedTuple

from offhook_datapath import AudioDecoder

from transceiver.audio.counters import AudioCounters
from transceiver.audio.interface import SAMPLE_RATES_HZ, Pcm, PcmListener
from transceiver.audio.jitter_buffer import LONGEST_PIECE_US, JitterBuffer, Kind, Piece
from transceiver.session.actions import AudioReceived
from transceiver.session.playout_delay import PlayoutDelay

MAX_WAITING_US: Final = 2_000_000
"""Audio that may be on its way through the decoder. More is not decoded, and heard as silence (drop_newest)."""
MAX_SHED_US: Final = 10_000_000
QUIET_DBOV: Final = 50
"""Quieter than speech: what may be left out where media time runs ahead."""

DecodeJob = tuple[AudioDecoder, int, bytes, int, list[int]]
DecodeResult = tuple[int, bool, list[bytes]]


class _Waiting(NamedTuple):
    piece: Piece
    rates: list[int]


class InputStream:
    """One caller's.

    Args:
        codec: "opus", "PCMU" or "PCMA".
        clock_rate: of its RTP timestamps, in Hz.
    """

    def __init__(self, codec: str, clock_rate: int, counters: AudioCounters) -> None:
        self.delay = PlayoutDelay(clock_rate)
        """The playout clock: whoever reads packets off the wire tells it about each."""
        self.media_time_us = 0
        """The end of what has been heard."""
        self.concealed_us = 0
        """How much of that was made up for what was lost or late."""
        self._buffer = JitterBuffer(codec, clock_rate, self.delay, counters)
        self._decoder = AudioDecoder(codec)
        self._counters = counters
        self._taps: list[tuple[int, PcmListener]] = []
        self._waiting: deque[_Waiting] = deque()
        self._waiting_us = 0
        self._shed_us = 0
        self._ahead_us = 0
        self._restarts = 0

    def tap(self, sample_rate_hz: int, listener: PcmListener) -> None:
        """See `InputAudio.tap`."""
        if sample_rate_hz not in SAMPLE_RATES_HZ:
            raise ValueError(f"audio is to be had at {', '.join(map(str, SAMPLE_RATES_HZ))} Hz, not {sample_rate_hz}")
        self._taps.append((sample_rate_hz, listener))

    def untap(self, listener: PcmListener) -> None:
        """See `InputAudio.untap`."""
        self._taps = [tap for tap in self._taps if tap[1] != listener]

    def receive(self, frame: AudioReceived, now: float) -> None:
        """Takes a frame of the client's."""
        self._buffer.receive(frame, now)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is to be called; None before the first frame."""
        return self._buffer.next_timeout()

    def handle_timeout(self, now: float) -> None:
        """Makes up what is due and has not come."""
        self._buffer.handle_timeout(now)

    def take_jobs(self) -> list[DecodeJob]:
        """What is to be decoded now."""
        rates = sorted({rate for rate, _ in self._taps})
        jobs: list[DecodeJob] = []
        for piece in self._buffer.take_pieces():
            if self._waiting_us + piece.duration_us > MAX_WAITING_US:
                self._counters.shed_us += piece.duration_us
                self._shed_us = min(self._shed_us + piece.duration_us, MAX_SHED_US)
                continue
            while self._shed_us:
                length_us = min(self._shed_us, LONGEST_PIECE_US)
                self._shed_us -= length_us
                jobs.append(self._job(Piece(Kind.SILENCE, b"", length_us), rates))
            jobs.append(self._job(piece, rates))
        return jobs

    def decoded(self, result: DecodeResult) -> None:
        """Takes the result of the oldest job; the listeners hear it."""
        piece, rates = self._waiting.popleft()
        self._waiting_us -= piece.duration_us
        level_dbov, corrupt, samples = result
        self._counters.corrupt_frames += corrupt
        self._ahead_us += piece.inserted_us
        if self._restarts != self.delay.restarts:
            # Nothing was late: the client's clock had stood still, and the silence was its own.
            self._restarts, self._ahead_us = self.delay.restarts, 0
        if self._ahead_us >= piece.duration_us and level_dbov >= QUIET_DBOV:
            self._ahead_us -= piece.duration_us
            self._counters.removed_us += piece.duration_us
            return
        start_us = self.media_time_us
        self.media_time_us += piece.duration_us
        concealed = corrupt or piece.kind is not Kind.FRAME
        if corrupt or piece.kind is Kind.LOST:
            self.concealed_us += piece.duration_us
        heard = {
            rate: Pcm(at_rate, start_us, piece.duration_us, level_dbov, concealed)
            for rate, at_rate in zip(rates, samples, strict=True)
        }
        for rate, listener in tuple(self._taps):
            if rate in heard:
                listener(heard[rate])

    def _job(self, piece: Piece, rates: list[int]) -> DecodeJob:
        self._waiting.append(_Waiting(piece, rates))
        self._waiting_us += piece.duration_us
        return (self._decoder, int(piece.kind), piece.payload, piece.duration_us, rates)
