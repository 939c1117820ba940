"""One Realtime session: the API's semantics as a state machine without I/O.

    client events ──┐                      ┌──▶ SendEvent            to the client
    worker outputs ─┤                      ├──▶ SendToWorker         to the worker
    turns ──────────┼──▶ RealtimeSession ──┼──▶ Play, FlushPlayout   to the pacer
    playout ────────┤                      ├──▶ DetectTurns, …       to turn taking
    time ───────────┘                      └──▶ EndSession           to the call

Every input takes `now` in monotonic seconds; afterwards `take_effects` gives what is to be done, in order. A transport
is a thin adapter around one.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from offhook_proto.worker.v1 import worker_pb2

from transceiver.realtime import to_worker
from transceiver.realtime.answering import Answers
from transceiver.realtime.client_requests import ClientRequests
from transceiver.realtime.configuration import Configuration, SessionIdentity
from transceiver.realtime.conversation import Conversation
from transceiver.realtime.effects import DetectTurns, Effect, EndSession, Outbox, ServerEvent
from transceiver.realtime.errors import EventError
from transceiver.realtime.ids import new_id
from transceiver.realtime.input_audio import InputAudioBuffer
from transceiver.realtime.mcp import McpTools
from transceiver.realtime.model import ModelTraits
from transceiver.realtime.quota import UNLIMITED, Quota
from transceiver.realtime.responses import LONGEST_SILENCE_S, Responses
from transceiver.realtime.schema import server_events
from transceiver.realtime.schema.base import check_depth
from transceiver.realtime.schema.items import McpError, McpListedTool
from transceiver.realtime.speech_gaps import SpeechGaps
from transceiver.realtime.state import SessionState
from transceiver.realtime.transcribing import InputTranscriptions
from transceiver.realtime.transport import Transport
from transceiver.realtime.turn_flow import TurnFlow
from transceiver.realtime.worker_outputs import WorkerOutputs

LONGEST_SESSION_S = 3600


class RealtimeSession:
    """See the module.

    Args:
        given: the session object that came with the call or the connection.
        now, unix_time: the same instant on both clocks.
        longest_s: how long it may last.
        longest_silence_s: how long the worker may say nothing of an answer until it has failed.
        quota: what its answers may take.

    Raises:
        EventError: `given` is refused.
    """

    def __init__(
        self,
        model: ModelTraits,
        transport: Transport,
        given: Mapping[str, Any],
        *,
        now: float,
        unix_time: float,
        longest_s: float = LONGEST_SESSION_S,
        longest_silence_s: float = LONGEST_SILENCE_S,
        quota: Quota = UNLIMITED,
    ) -> None:
        identity = SessionIdentity(new_id("sess"), model.name, int(unix_time + longest_s))
        outbox = Outbox()
        configuration = Configuration(identity, model, given)
        conversation = Conversation(outbox)
        mcp = McpTools(outbox, conversation)
        responses = Responses(
            configuration, conversation, outbox, transport, mcp, quota=quota, longest_silence_s=longest_silence_s
        )
        self._state = SessionState(
            model, transport, outbox, configuration, conversation, InputAudioBuffer(), mcp, responses, now
        )
        self._answers = Answers(self._state)
        self._transcriptions = InputTranscriptions(self._state)
        self._turns = TurnFlow(self._state, self._answers, self._transcriptions)
        self._worker = WorkerOutputs(self._state, self._answers, self._turns, self._transcriptions)
        self._client = ClientRequests(self._state, self._answers, self._turns)
        self.gaps = SpeechGaps()
        """Silence within answers."""
        self._expires_at = now + longest_s
        self._longest_s = longest_s
        self._expired = False
        # Refused now rather than at the first use.
        self.worker_config()

    # For the shell

    def take_effects(self) -> list[Effect]:
        """Removes and returns what is to be done, in order."""
        self._answers.settle()
        return self._state.outbox.take()

    def worker_config(self) -> worker_pb2.SessionConfig:
        """The configuration as a worker gets it when the session is opened on it."""
        configuration = self._state.configuration
        functions = self._state.mcp.functions(configuration.tools)
        return to_worker.session_config(configuration.current, configuration.given, functions)

    def history(self) -> list[worker_pb2.HistoryItem]:
        """The conversation so far, as a worker gets it that takes the session over; without what it hears itself."""
        again = self._turns.again()
        unheard = again.turn.item_id if again is not None else None
        said = (each for each in self._state.conversation if each.status != "in_progress" and each.id != unheard)
        return [entry for item in said for entry in to_worker.history_items(item)]

    def turn_again(self) -> worker_pb2.SessionInput | None:
        """What tells that worker of the turn under way, or of one that nobody has understood, after its audio."""
        return self._turns.again()

    @property
    def audio_needed_from_us(self) -> int | None:
        """From where on that worker has to hear the caller; None: what has just come is enough."""
        if (unheard := self._turns.unheard) is not None:
            return unheard.start_us
        by_hand = self.configuration.turn_detection is None and not self._state.model.detects_turns
        return self._state.input_audio.begins_us if by_hand else None

    @property
    def transport(self) -> Transport:
        """How events travel."""
        return self._state.transport

    @property
    def configuration(self) -> Configuration:
        """The effective configuration."""
        return self._state.configuration

    # The client

    def open(self, now: float) -> None:
        """The client can read events: the first say what the session is."""
        self._state.now = now
        for event in self.greeting():
            self._state.outbox.event(event)
        self._state.mcp.configure(self._state.configuration.tools)

    def greeting(self) -> list[ServerEvent]:
        """What whoever begins to read events is told first: the session as it is, and the conversation."""
        return [
            server_events.session_created(self._state.configuration.as_json()),
            server_events.conversation_created(self._state.conversation.id),
        ]

    def client_text(self, text: str, now: float) -> None:
        """One event of the client, as JSON text."""
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            self._state.now = now
            self._refuse(EventError("The event is not valid JSON.", code="invalid_json"), None)
            return
        self.client_event(event, now)

    def client_event(self, event: object, now: float) -> None:
        """One event of the client, as JSON data. One that is refused gets an `error` event."""
        self._state.now = now
        if not isinstance(event, dict):
            self._refuse(EventError("An event must be a JSON object.", code="invalid_event"), None)
            return
        event_id = event.get("event_id")
        try:
            check_depth(event, "event")
            self._client.handle(event)
        except EventError as error:
            self._refuse(error, event_id if isinstance(event_id, str) else None)

    def _refuse(self, error: EventError, event_id: str | None) -> None:
        self._state.outbox.event(
            server_events.error(
                kind=error.kind, code=error.code, message=error.message, param=error.param, event_id=event_id
            )
        )

    # Input audio and turns

    def audio_received(self, end_us: int) -> None:
        """The caller's audio has come up to `end_us` of its media time (transports with media tracks)."""
        self._state.input_audio.received(end_us)

    def detect_turns(self, now: float) -> None:
        """Says how turns are to be found; afterwards every change is said unasked."""
        self._state.now = now
        self._state.outbox.add(DetectTurns(self._state.configuration.turn_detection))

    def speech_started(self, start_us: int, now: float) -> None:
        """Turn taking: the caller begins to speak."""
        self._state.now = now
        self._turns.speech_started(start_us)

    def speech_stopped(self, end_us: int, now: float) -> None:
        """Turn taking: the caller has finished."""
        self._state.now = now
        self._turns.speech_stopped(end_us)

    def idle_timeout(self, start_us: int, end_us: int, now: float) -> None:
        """Turn taking: the caller has said nothing for long after an answer."""
        self._state.now = now
        self._turns.idle_timeout(start_us, end_us)

    # The worker

    def worker_audio(self, frame: worker_pb2.AudioFrame, now: float) -> None:
        """Audio of a response. Audio outside any (no response_id) is not the session's business."""
        self._state.now = now
        self._answers.audio(frame)
        if self.gaps.spoke(frame.response_id, now):
            message = "The model speaks slower than real time: its answer has gaps."
            self._state.outbox.event(server_events.error(kind="server_error", code="worker_slow", message=message))

    def worker_output(self, output: worker_pb2.SessionOutput, now: float) -> None:
        """Any other output of the worker."""
        self._state.now = now
        self._worker.handle(output)

    def worker_lost(self, now: float) -> None:
        """The worker is gone: what it was saying fails. Call `resume` when another has taken over."""
        self._state.now = now
        for response in self._state.responses:
            if response.has_begun or response.spec.request is None:
                self._answers.fail(response, "worker_lost", "The model that was answering is gone.")

    def given_up(self, now: float) -> None:
        """No other worker takes over: the answers that had not begun will not come either."""
        self._state.now = now
        for response in self._state.responses:
            self._answers.fail(response, "worker_lost", "The model that was to answer is gone.")

    def resume(self, now: float) -> None:
        """Another worker has the conversation (`history`): it is asked for the answers that had not begun."""
        self._state.now = now
        for response in self._state.responses:
            if response.spec.request is not None:
                response.last_output_at = now
                self._state.outbox.worker(worker_pb2.SessionInput(response_request=response.spec.request))

    # MCP servers

    def mcp_listed(self, item_id: str, tools: Sequence[McpListedTool] | None, now: float) -> None:
        """What ListMcpTools asked for; None: the server could not be asked."""
        self._state.now = now
        if self._state.mcp.listed(item_id, tools):
            self._state.outbox.worker(self._answers.worker_update())

    def mcp_called(self, item_id: str, output: str | None, error: McpError | None, now: float) -> None:
        """What CallMcpTool asked for: its output, or why there is none."""
        self._state.now = now
        self._state.mcp.called(item_id, output, error)
        self._answers.tools_answered()

    # Playout

    def played(self, response_id: str, *, drained: bool, now: float) -> None:
        """Audio of a response has left. `drained`: nothing of what it had so far is still queued."""
        self._state.now = now
        if drained and self._state.responses.find(response_id) is not None:
            self.gaps.drained(response_id, now)
        self._answers.played(response_id, drained=drained)

    def playout_flushed(self, response_id: str, played_us: int, now: float) -> None:
        """What FlushPlayout asked for is done; `played_us` of the response's audio had left before."""
        self._state.now = now
        self._answers.flushed(response_id, played_us)

    # The end

    def end(self, now: float) -> None:
        """The session is about to end: whoever waits for an answer is told that it will not come."""
        self._state.now = now
        self._answers.abandon()

    # Time

    def next_timeout(self) -> float:
        """When `handle_timeout` is due at the latest."""
        silence = self._state.responses.next_timeout()
        return self._expires_at if silence is None else min(self._expires_at, silence)

    def handle_timeout(self, now: float) -> None:
        """Acts on what is due."""
        self._state.now = now
        for response in self._state.responses.overdue(now):
            self._answers.fail(response, "worker_timeout", "The model did not answer in time.")
        if now >= self._expires_at and not self._expired:
            self._expired = True
            error = EventError(
                f"Your session hit the maximum duration of {round(self._longest_s / 60)} minutes.",
                code="session_expired",
            )
            self._refuse(error, None)
            self._state.outbox.add(EndSession())
