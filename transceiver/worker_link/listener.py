"""What a session hears from its worker."""

from typing import Protocol

from offhook_proto.worker.v1 import worker_pb2

from transceiver.worker_link.counters import LostReason


class WorkerSessionListener(Protocol):
    """Called on the event loop, in the order in which the worker sent; must not block.

    Exactly one of `worker_ended` and `worker_lost` comes, as the last call, unless the transceiver closed the session
    itself: then nothing comes any more.
    """

    def worker_audio(self, frame: worker_pb2.AudioFrame) -> None:
        """One frame in the session's output format, within the credit granted."""

    def worker_text(self, response_id: str, delta: str) -> None:
        """More text of an answer that is not spoken."""

    def worker_transcript(self, response_id: str, delta: str, audio_start_us: int) -> None:
        """More words of a spoken answer; they begin `audio_start_us` into the response's audio."""

    def worker_message(self, output: worker_pb2.SessionOutput) -> None:
        """Everything else: function calls, response life cycle, flush, turns, input transcription, errors."""

    def worker_ended(self) -> None:
        """The worker's author ended the session in good order."""

    def worker_lost(self, reason: LostReason) -> None:
        """The worker is gone, or gave this session up."""
