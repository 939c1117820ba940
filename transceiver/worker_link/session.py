"""One call on one worker: what the transceiver holds."""

from collections.abc import Callable
from typing import NamedTuple

from offhook_proto.worker.v1 import worker_pb2

from transceiver.worker_link.counters import LinkCounters, LinkDrop, LostReason
from transceiver.worker_link.input_queue import ControlOverflow, InputQueue
from transceiver.worker_link.listener import WorkerSessionListener
from transceiver.worker_link.outbox import Outbox
from transceiver.worker_link.settings import WorkerLinkSettings

_OVERTAKING = frozenset({"interruption", "playout", "credit", "close"})
"""Inputs that pass audio waiting for credit: their meaning does not depend on it."""

_AT_ONCE = frozenset({"interruption", "close"})
"""Those of them that do not wait for the tick either."""

_MESSAGE_SLACK_BYTES = 1024
"""What a message adds to the one large input in it."""

MAX_FRAME_US = 60_000_000
"""Audio in one output. What claims to be longer would use up all credit for ever."""

MAX_OVERDRAWN_US = 10_000_000
"""Audio beyond its credit after which a session is taken from its worker: two windows of it."""

Verdict = worker_pb2.SessionReject | LostReason | None
"""How an opening ended: None is an accept."""


class InputTooLarge(ValueError):
    """One input does not fit into a message of the link."""


class SessionLine(NamedTuple):
    """What a session has from its stream."""

    worker: str
    outbox: Outbox
    settings: WorkerLinkSettings
    counters: LinkCounters
    forget: Callable[[int], None]
    """Removes a session that is over from the stream's table."""


class WorkerSession:
    """A session that a worker accepted. Made by `WorkerPool.open`. Every method returns at once.

    What is sent after the session is over is counted and goes nowhere: the end comes from the other side at any time.

    Args:
        number: the session's number on its stream.
        opening: what the worker was asked to serve.
        decided: called once, when the worker accepted or will not.
    """

    def __init__(
        self,
        number: int,
        opening: worker_pb2.SessionOpen,
        listener: WorkerSessionListener,
        *,
        line: SessionLine,
        decided: Callable[[Verdict], None],
    ) -> None:
        self.number = number
        self.worker = line.worker
        self.call_id = opening.call_id
        self.model = opening.model
        self.input_format = opening.input_format
        self.output_format = opening.output_format
        self._output_credit_us = opening.output_credit_ms * 1000
        self._overdrawn_us = 0
        self._listener = listener
        self._outbox = line.outbox
        self._counters = line.counters
        self._queue = InputQueue(line.settings.input_queue_ms * 1000, line.settings.input_queue_policy)
        self._max_input_bytes = line.settings.max_message_bytes - _MESSAGE_SLACK_BYTES
        self._decided = decided
        self._forget = line.forget
        self._accepted = False
        self._closed = False

    @property
    def is_open(self) -> bool:
        """Whether the worker accepted the session and neither side ended it."""
        return self._accepted and not self._closed

    @property
    def input_waiting_us(self) -> int:
        """Audio that waits for the worker's credit. While there is any, more may cost some (`InputQueue`)."""
        return self._queue.audio_us

    def send_audio(
        self,
        payload: bytes,
        media_time_us: int,
        duration_us: int,
        level: int | None = None,
        lost_before: int = 0,
    ) -> None:
        """One codec frame from the caller, in `input_format`.

        Args:
            media_time_us: when the frame begins, counted from the session's first frame.
            level: RFC 6464 level, 0 (loudest) to 127 -dBov; None where the client sent none.
            lost_before: frames lost or late directly before this one.
        """
        may_leave = self._accepted and not self._closed and len(payload) <= self._max_input_bytes
        # Nearly always: there is credit, and nothing waits for any.
        passes = may_leave and self._queue.pass_audio(duration_us)
        message = self._outbox.add_frame(len(payload)) if passes else worker_pb2.SessionInput()
        message.session = self.number
        frame = message.audio
        frame.payload = payload
        frame.media_time_us = media_time_us
        frame.duration_us = duration_us
        if level is not None:
            frame.audio_level_plus_one = level + 1
        if lost_before:
            frame.lost_before = lost_before
        if passes:
            self._counters.audio_frames_sent += 1
        else:
            self.send(message)

    def send_text(
        self,
        item_id: str,
        text: str,
        role: worker_pb2.Role.ValueType = worker_pb2.ROLE_USER,
    ) -> None:
        """A message typed by the caller (or said by the application in `role`)."""
        self.send(worker_pb2.SessionInput(text=worker_pb2.TextInput(item_id=item_id, role=role, text=text)))

    def playout(self, response_id: str, played_us: int, received_us: int, buffered_ms: int) -> None:
        """Tells how much of a response's audio has been played to the caller, has reached it, and waits."""
        position = worker_pb2.PlayoutPosition(
            response_id=response_id, played_us=played_us, received_us=received_us, buffered_ms=buffered_ms
        )
        self.send(worker_pb2.SessionInput(playout=position))

    def interrupt(
        self,
        response_id: str,
        reason: worker_pb2.Interruption.Reason.ValueType,
        played_us: int,
    ) -> None:
        """Stops the response; the caller heard its audio up to `played_us`."""
        interruption = worker_pb2.Interruption(response_id=response_id, reason=reason, played_us=played_us)
        self.send(worker_pb2.SessionInput(interruption=interruption))

    def grant_output(self, audio_ms: int) -> None:
        """Lets the worker send `audio_ms` more: call it with what was played, or flushed, since the last call."""
        if audio_ms > 0:
            self._output_credit_us += audio_ms * 1000
            self.send(worker_pb2.SessionInput(credit=worker_pb2.Credit(audio_ms=audio_ms)))

    def send(self, message: worker_pb2.SessionInput) -> None:
        """Any other input of the protocol; `message.session` is filled in here.

        Raises:
            InputTooLarge: the input does not fit into one message of the link.
        """
        if self._closed:
            self._counters.drops[LinkDrop.SESSION_CLOSED] += 1
            return
        message.session = self.number
        self.check_size(message)
        kind = message.WhichOneof("input")
        if kind in _OVERTAKING:
            self._outbox.put(message, at_once=kind in _AT_ONCE)
            return
        try:
            dropped = self._queue.put(message)
        except ControlOverflow:
            self._give_up(LostReason.OVERLOADED)
            return
        if dropped:
            self._counters.drops[LinkDrop.QUEUE_FULL] += dropped
        self._release()

    def check_size(self, message: worker_pb2.SessionInput) -> None:
        """Refuses what `send` would refuse.

        Raises:
            InputTooLarge: as there.
        """
        is_audio = message.WhichOneof("input") == "audio"
        if (len(message.audio.payload) if is_audio else message.ByteSize()) > self._max_input_bytes:
            raise InputTooLarge(f"an input may have {self._max_input_bytes} bytes")

    def close(self, reason: worker_pb2.SessionClose.Reason.ValueType) -> None:
        """The call is over: the worker is told, the listener hears nothing more. Closing twice is harmless."""
        if not self._closed:
            self.send(worker_pb2.SessionInput(close=worker_pb2.SessionClose(reason=reason)))
            self._end()

    def receive(self, output: worker_pb2.SessionOutput) -> None:
        """What the worker sent for this session (called by its stream)."""
        kind = output.WhichOneof("output")
        if kind == "audio" and self._accepted:
            self._receive_audio(output.audio)
        elif kind == "accept" and not self._accepted:
            self._accepted = True
            self._queue.grant(output.accept.input_credit_ms * 1000)
            self._release()
            self._decided(None)
        elif kind == "reject" and not self._accepted:
            self._end()
            self._decided(output.reject)
        elif kind == "end" or (kind == "error" and output.error.fatal):
            self._receive_last(output)
        elif not self._accepted:
            self._counters.drops[LinkDrop.NOT_ACCEPTED] += 1
        elif kind in (None, "accept", "reject"):
            self._counters.drops[LinkDrop.MALFORMED_OUTPUT] += 1
        else:
            self._receive_other(output)

    def lose(self, reason: LostReason) -> None:
        """The worker is gone (called by its stream)."""
        if not self._closed:
            self._end()
            self._tell_lost(reason)

    def abandon(self) -> None:
        """The listener failed (called by the session's stream): the worker is freed, the listener told, once."""
        if not self._closed:
            self._give_up(LostReason.LISTENER_FAILED)

    def _receive_audio(self, frame: worker_pb2.AudioFrame) -> None:
        duration_us = frame.duration_us
        if not 0 < duration_us <= MAX_FRAME_US:
            self._counters.drops[LinkDrop.MALFORMED_OUTPUT] += 1
        elif self._output_credit_us <= 0:
            self._counters.drops[LinkDrop.OVER_CREDIT] += 1
            self._overdrawn_us += duration_us
            if self._overdrawn_us > MAX_OVERDRAWN_US:
                self._give_up(LostReason.FLOODED)
        else:
            self._output_credit_us -= duration_us
            self._counters.audio_frames_received += 1
            self._listener.worker_audio(frame)

    def _receive_other(self, output: worker_pb2.SessionOutput) -> None:
        kind = output.WhichOneof("output")
        if kind == "credit":
            self._queue.grant(output.credit.audio_ms * 1000)
            self._release()
        elif kind == "text":
            self._listener.worker_text(output.text.response_id, output.text.delta)
        elif kind == "transcript":
            words = output.transcript
            self._listener.worker_transcript(words.response_id, words.delta, words.audio_start_us)
        else:
            self._listener.worker_message(output)

    def _receive_last(self, output: worker_pb2.SessionOutput) -> None:
        """The worker's last word: an orderly end, or a fatal error."""
        self._end()
        if output.HasField("error"):
            if self._accepted:
                self._listener.worker_message(output)
            self._tell_lost(LostReason.SESSION_ERROR)
        elif self._accepted:
            self._listener.worker_ended()
        else:
            self._decided(LostReason.PROTOCOL_ERROR)

    def _give_up(self, reason: LostReason) -> None:
        self.close(worker_pb2.SessionClose.REASON_ERROR)
        self._tell_lost(reason)

    def _tell_lost(self, reason: LostReason) -> None:
        if self._accepted:
            self._counters.sessions_lost[reason] += 1
            self._listener.worker_lost(reason)
        else:
            self._decided(reason)

    def _release(self) -> None:
        """Lets go what the worker's credit allows. Before the accept nothing may leave."""
        if not self._accepted:
            return
        for message in self._queue.take():
            is_audio = message.HasField("audio")
            if is_audio:
                self._counters.audio_frames_sent += 1
            self._outbox.put(message, at_once=not is_audio)

    def _end(self) -> None:
        self._closed = True
        self._forget(self.number)
