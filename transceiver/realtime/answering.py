"""How answers begin and end: asked for or not, heard to the end, cut by the caller's voice or by the client."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Literal

from offhook_proto.worker.v1 import worker_pb2

from transceiver.realtime import to_worker
from transceiver.realtime.effects import Answering, Discard
from transceiver.realtime.errors import EventError
from transceiver.realtime.output_audio import CutReason, OutputAudioBuffer
from transceiver.realtime.response import COMPLETED, Outcome, Response
from transceiver.realtime.responses import outcome_of
from transceiver.realtime.schema import server_events
from transceiver.realtime.state import SessionState

MAX_SPOKEN_REMEMBERED = 64
"""Answers whose words can still be cut to the place in their audio."""

StopReason = Literal["turn_detected", "client_cancelled"]
_REASONS = {
    "turn_detected": worker_pb2.Interruption.REASON_TURN_DETECTED,
    "client_cancelled": worker_pb2.Interruption.REASON_CLIENT_CANCELLED,
}


class Answers:
    """Policy over the responses of a session and their playout."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._playout = OutputAudioBuffer(state.outbox, self._cut)
        self._spoken: OrderedDict[str, Response] = OrderedDict()
        self._waiting: dict[str, worker_pb2.ResponseDone] = {}
        self._owed = False
        self._answering = False
        self.has_spoken = False
        """Whether the model has been heard in this session."""

    # Beginning

    def request(self, given: Mapping[str, Any] | None) -> None:
        """The client asks for a response.

        Raises:
            EventError: it is refused.
        """
        self._state.responses.request(given, self._state.now)

    def turn_over(self) -> None:
        """The caller's turn is to be answered; after the answer in progress, if there is one."""
        if self._state.responses.active is not None:
            self._owed = True
        elif self._state.configuration.realtime is not None:
            self._state.responses.request(None, self._state.now)

    def of_worker(self, response_id: str) -> Response | None:
        """The response that an output of the worker belongs to; None if the output is to be discarded."""
        responses = self._state.responses
        response = responses.find(response_id)
        if response is None and response_id and not responses.was_ended(response_id):
            active = responses.active
            if active is not None and active.spec.request is None:
                # Of two answers that nobody asked for, the second says that the first is complete.
                self._end(active, COMPLETED, cut_short=False)
            response = responses.unasked(response_id, self._state.now)
            if response is None:
                responses.refuse(response_id)
                self._tell_worker(response_id, "client_cancelled", 0)
        if response is not None:
            response.last_output_at = self._state.now
        return response

    # What the worker sends

    def audio(self, frame: worker_pb2.AudioFrame) -> None:
        """One frame of an answer."""
        response = self.of_worker(frame.response_id)
        if response is None:
            self._state.outbox.add(Discard(frame.duration_us))
            return
        response.audio(frame)
        if response.spec.text_only:
            return
        self.has_spoken = True
        self._remember(response)
        if not self._state.transport.carries_audio:
            self._playout.queued(response)

    def done(self, done: worker_pb2.ResponseDone) -> None:
        """The worker has finished an answer; with what MCP servers are still working on, it is complete."""
        response = self._state.responses.find(done.response_id)
        if response is not None and response.waits_for_tools:
            self._waiting[response.id] = done
        elif response is not None:
            self._end(response, outcome_of(done), done.usage, cut_short=False)

    def tools_answered(self) -> None:
        """An MCP server has: answers that waited for nothing else are complete."""
        for response in self._state.responses:
            if response.id in self._waiting and not response.waits_for_tools:
                self.done(self._waiting[response.id])

    def worker_update(self) -> worker_pb2.SessionInput:
        """The configuration as it is now, for the worker.

        Raises:
            EventError: it holds a value that cannot be passed on.
        """
        configuration = self._state.configuration
        functions = self._state.mcp.functions(configuration.tools)
        return to_worker.session_update(configuration.current, configuration.given, functions)

    def flush(self, response_id: str) -> None:
        """The worker takes back what it said and the caller has not heard yet."""
        self._playout.clear("worker_flushed", response_id or None)

    def fail(self, response: Response, code: str, message: str) -> None:
        """An answer will not come to its end."""
        error = {"type": "server_error", "code": code, "message": message}
        self._end(response, Outcome("failed", error=error))
        self._tell_worker(response.id, "client_cancelled", response.received_us)

    # Ending

    def cancel(self, response_id: str | None) -> None:
        """The client wants no more of a response; what has been generated may still be heard.

        Raises:
            EventError: there is none in progress.
        """
        responses = self._state.responses
        response = responses.active if response_id is None else responses.find(response_id)
        if response is None:
            raise EventError("Cancellation failed: no active response found", code="response_cancel_not_active")
        self._end(response, Outcome("cancelled", "client_cancelled"))
        self._tell_worker(response.id, "client_cancelled", response.received_us)

    def interrupt(self) -> None:
        """The caller speaks: nothing that is spoken or generated for the conversation goes on."""
        self._stop_all("turn_detected")

    def clear_output(self) -> None:
        """The client wants to hear no more."""
        self._stop_all("client_cancelled")

    def truncate(self, item_id: str, audio_end_us: int) -> int | None:
        """Cuts the words of a spoken item where the client says it was cut; returns where its audio ends.

        None: its words are too long ago to be cut to the place.
        """
        response = self._spoken.get(item_id)
        return response.cut(audio_end_us) if response is not None else None

    def abandon(self) -> None:
        """Nothing is answered any more. The worker hears of the end otherwise."""
        self._owed = False
        for response in self._state.responses:
            self._end(response, Outcome("cancelled"))

    # What playout reports

    def played(self, response_id: str, *, drained: bool) -> None:
        """Audio of a response has left."""
        self._playout.played(response_id, drained=drained)

    def flushed(self, response_id: str, played_us: int) -> None:
        """What a FlushPlayout asked for is done."""
        self._playout.flushed(response_id, played_us)

    def settle(self) -> None:
        """Tells turn taking whether an answer is on its way. Called after every input."""
        answering = self._playout.is_playing or self._state.responses.active is not None
        if answering != self._answering:
            self._answering = answering
            self._state.outbox.add(Answering(answering))

    # Inside

    def _stop_all(self, reason: StopReason) -> None:
        self._owed = False
        for response in self._state.responses:
            if response.spec.in_conversation or response.received_us:
                self._end(response, Outcome("cancelled", reason))
                if self._state.transport.carries_audio:
                    # The client knows what it has played, and truncates.
                    self._tell_worker(response.id, reason, response.received_us)
                elif not self._playout.has(response.id):
                    # Nothing is queued: what has come was heard, and words whose audio has not come were not.
                    self._cut(response, response.received_us, reason)
        self._playout.clear(reason)

    def _end(
        self, response: Response, outcome: Outcome, usage: worker_pb2.Usage | None = None, *, cut_short: bool = True
    ) -> None:
        self._waiting.pop(response.id, None)
        self._state.responses.end(response, outcome, usage, cut_short=cut_short)
        self._playout.generated(response)
        if self._owed and response.spec.in_conversation:
            self._owed = False
            self.turn_over()

    def _cut(self, response: Response, played_us: int, reason: CutReason) -> None:
        """The caller heard `played_us` of a response, and no more of what it was so far."""
        end_us = response.cut(played_us)
        if reason == "worker_flushed":
            return
        item_id, index = response.message_id, response.audio_index
        if item_id is not None and index is not None and self._state.conversation.has(item_id):
            self._state.outbox.event(server_events.item_truncated(item_id, index, end_us // 1000))
        self._tell_worker(response.id, reason, end_us)

    def _tell_worker(self, response_id: str, reason: StopReason, played_us: int) -> None:
        self._state.outbox.worker(to_worker.interruption(response_id, _REASONS[reason], played_us))

    def _remember(self, response: Response) -> None:
        item_id = response.message_id
        if item_id is not None and item_id not in self._spoken:
            self._spoken[item_id] = response
            if len(self._spoken) > MAX_SPOKEN_REMEMBERED:
                self._spoken.popitem(last=False)
