"""The threads that decode and encode. What becomes ready in one turn of the event loop runs as one batch.

A stream belongs to one lane, and a lane is one thread: so the order of a stream is kept, and no decoder or encoder is
ever entered twice. What waits is bounded by the streams: each has a bound of its own.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

import structlog
from offhook_datapath import AudioEncoder, decode_audio, encode_audio

from transceiver.audio.counters import AudioCounters
from transceiver.audio.input_stream import DecodeJob, DecodeResult

MAX_BATCH: Final = 64
"""Jobs that run before their results are seen: at most some 10 ms of work."""

EncodeJob = tuple[AudioEncoder, bytes, int, bool]
EncodeResult = tuple[bytes, int]

_Result = TypeVar("_Result")
_log = structlog.get_logger(__name__)


class _Decode(NamedTuple):
    job: DecodeJob
    done: Callable[[DecodeResult], None]


class _Encode(NamedTuple):
    job: EncodeJob
    done: Callable[[EncodeResult], None]


class _Results(NamedTuple):
    decoded: list[DecodeResult]
    encoded: list[EncodeResult]
    seconds: float


class Lane:
    """One thread with what waits for it. Used on the event loop only."""

    def __init__(self, name: str, counters: AudioCounters) -> None:
        self.streams = 0
        self._counters = counters
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._decodes: list[_Decode] = []
        self._encodes: list[_Encode] = []
        self._running = 0
        self._wake_up: asyncio.Handle | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """Jobs that have not come back."""
        return len(self._decodes) + len(self._encodes) + self._running

    def decode(self, job: DecodeJob, done: Callable[[DecodeResult], None]) -> None:
        """Queues a job; `done` is called on the event loop."""
        self._decodes.append(_Decode(job, done))
        self._wake()

    def encode(self, job: EncodeJob, done: Callable[[EncodeResult], None]) -> None:
        """Queues a job; `done` is called on the event loop."""
        self._encodes.append(_Encode(job, done))
        self._wake()

    def close(self) -> None:
        """Drops what waits, and lets the thread end."""
        self._closed = True
        self._decodes.clear()
        self._encodes.clear()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _wake(self) -> None:
        if self._running == 0 and self._wake_up is None and not self._closed:
            self._wake_up = asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        self._wake_up = None
        if self._closed or self._running or not (self._decodes or self._encodes):
            return
        loop = asyncio.get_running_loop()
        decodes, self._decodes = self._decodes[:MAX_BATCH], self._decodes[MAX_BATCH:]
        encodes, self._encodes = self._encodes[:MAX_BATCH], self._encodes[MAX_BATCH:]
        self._running = len(decodes) + len(encodes)

        def finished(future: Future[_Results]) -> None:
            if not future.cancelled():
                loop.call_soon_threadsafe(self._finish, decodes, encodes, future)

        jobs = [each.job for each in decodes], [each.job for each in encodes]
        self._executor.submit(_run, *jobs).add_done_callback(finished)

    def _finish(self, decodes: list[_Decode], encodes: list[_Encode], future: Future[_Results]) -> None:
        self._running = 0
        if self._closed:
            return
        results = future.result()
        self._counters.decoded_pieces += len(decodes)
        self._counters.encoded_frames += len(encodes)
        self._counters.codec_seconds += results.seconds
        # The next batch runs while these are listened to.
        self._start()
        for (_, frame_done), frame in zip(encodes, results.encoded, strict=True):
            self._tell(frame_done, frame)
        for (_, piece_done), piece in zip(decodes, results.decoded, strict=True):
            self._tell(piece_done, piece)

    def _tell(self, done: Callable[[_Result], None], result: _Result) -> None:
        try:
            done(result)
        except Exception:  # noqa: BLE001 - one call's fault must not cost the others of the batch their audio
            self._counters.listener_faults += 1
            _log.exception("a listener to audio failed")


def _run(decodes: list[DecodeJob], encodes: list[EncodeJob]) -> _Results:
    start = time.perf_counter()
    # What a caller is about to hear has a deadline, so it goes first.
    encoded = encode_audio(encodes) if encodes else []
    decoded = decode_audio(decodes) if decodes else []
    return _Results(decoded, encoded, time.perf_counter() - start)


class CodecPool:
    """The lanes.

    Args:
        threads: how many.
    """

    def __init__(self, threads: int, counters: AudioCounters) -> None:
        self._lanes = [Lane(f"codec-{index}", counters) for index in range(threads)]

    @property
    def waiting(self) -> int:
        """Jobs that have not come back, over all lanes."""
        return sum(lane.waiting for lane in self._lanes)

    def open_lane(self) -> Lane:
        """The lane with the fewest streams, for one more; to be given back with `leave`."""
        lane = min(self._lanes, key=lambda lane: lane.streams)
        lane.streams += 1
        return lane

    def leave(self, lane: Lane) -> None:
        """A stream is over."""
        lane.streams -= 1

    def close(self) -> None:
        """Drops everything."""
        for lane in self._lanes:
            lane.close()
