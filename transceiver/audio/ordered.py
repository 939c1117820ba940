"""One stream's jobs in a codec thread, and what has to keep its place among them."""

from collections import deque
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from transceiver.audio.codec_pool import CodecPool, EncodeJob, EncodeResult
from transceiver.audio.input_stream import DecodeJob, DecodeResult

_Result = TypeVar("_Result")


class _Job(NamedTuple, Generic[_Result]):
    done: Callable[[_Result], None]


class _Ordered(Generic[_Result]):
    """What has been asked for comes in order: results, and calls between them."""

    def __init__(self, pool: CodecPool) -> None:
        self._pool = pool
        self._lane = pool.open_lane()
        self._waiting: deque[_Job[_Result] | Callable[[], None]] = deque()
        self._closed = False

    def after(self, then: Callable[[], None]) -> None:
        """Calls `then` once everything before has its result; at once if it has."""
        if self._waiting:
            self._waiting.append(then)
        else:
            then()

    def close(self) -> None:
        """The stream is over: nothing is called any more."""
        if not self._closed:
            self._closed = True
            self._waiting.clear()
            self._pool.leave(self._lane)

    def _finished(self, result: _Result) -> None:
        if self._closed:
            return
        job = self._waiting.popleft()
        assert isinstance(job, _Job)
        job.done(result)
        while self._waiting and not isinstance(self._waiting[0], _Job) and not self._closed:
            then = self._waiting.popleft()
            assert not isinstance(then, _Job)
            then()


class OrderedDecoding(_Ordered[DecodeResult]):
    """A stream that is decoded."""

    def _decode(self, job: DecodeJob, done: Callable[[DecodeResult], None]) -> None:
        self._waiting.append(_Job(done))
        self._lane.decode(job, self._finished)


class OrderedEncoding(_Ordered[EncodeResult]):
    """A stream that is encoded."""

    def _encode(self, job: EncodeJob, done: Callable[[EncodeResult], None]) -> None:
        self._waiting.append(_Job(done))
        self._lane.encode(job, self._finished)
