"""A Realtime session at work in a call: its effects performed, its clock kept."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog
from offhook_proto.worker.v1 import worker_pb2

from offhook.service.tracing import NO_TRACE, Trace
from transceiver.calls.answer_latency import AnswerClock, AnswerLatency
from transceiver.calls.event_feed import EventFeed, EventReader, Observer, tell
from transceiver.calls.mcp_servers import NO_SERVERS, McpServers
from transceiver.calls.mcp_side import McpSide
from transceiver.calls.turn_settings import turn_settings
from transceiver.realtime.effects import (
    Answering,
    AppendAudio,
    CallMcpTool,
    DetectTurns,
    Discard,
    Effect,
    EndSession,
    FlushPlayout,
    ForgetTurn,
    ListMcpTools,
    Play,
    SendEvent,
    SendToWorker,
)
from transceiver.realtime.schema import server_events
from transceiver.realtime.schema.items import McpError, McpListedTool
from transceiver.realtime.schema.session import TurnDetection
from transceiver.realtime.session import RealtimeSession
from transceiver.realtime.speech_gaps import SpeechGaps
from transceiver.session.actions import CloseReason
from transceiver.turns import interface as turns
from transceiver.worker_link.session import InputTooLarge, WorkerSession

_log = structlog.get_logger(__name__)

MAX_HELD = 1024
"""Inputs that wait for the next worker while it is asked; the client is told of those beyond (drop_newest)."""


_REPLIES = frozenset({"session.created", "conversation.created", "error"})
"""Events for whoever has just come, or has sent what is wrong."""


class EventClient(EventReader, Protocol):
    """Who has the conversation. As in `ClientSide`."""

    def end(self, reason: CloseReason) -> None:
        """Ends the call."""


class Ear(Protocol):
    """The input audio: `CallerVoice` where it has a track, `EventVoice` where it comes in events."""

    @property
    def end_us(self) -> int:
        """Media time of its end."""

    @property
    def can_detect_turns(self) -> bool:
        """Whether turns can be found in it."""

    @property
    def turn_taking(self) -> turns.TurnTaking | None:
        """Where they are being found."""

    def detect_turns(self, settings: turns.TurnDetection, listener: turns.TurnListener) -> None:
        """Finds them by these settings."""

    def append(self, appended: AppendAudio) -> None:
        """Takes audio that came in an event."""

    def send(self, worker: WorkerSession, message: worker_pb2.SessionInput) -> None:
        """Sends an input in its place among the audio. Raises InputTooLarge."""


class Voice(Protocol):
    """The output audio, as in `ModelVoice`; without a track only `give_back` is called."""

    def push(self, frame: worker_pb2.AudioFrame, response_id: str) -> None:
        """Queues a frame."""

    def flush(self, response_id: str | None) -> int:
        """Drops what is queued; how much had been played, in microseconds."""

    def give_back(self, duration_us: int) -> None:
        """Audio that is not to be played."""


class RealtimeSide:
    """Joins the semantics to the call's channel, playout, turn taking and worker. Implements TurnListener.

    Args:
        session: the semantics.
        latency: counts how long callers wait.
        trace: of the call.
        now: monotonic clock in seconds.
    """

    def __init__(
        self,
        session: RealtimeSession,
        *,
        client: EventClient,
        ear: Ear,
        voice: Voice,
        latency: AnswerLatency,
        now: Callable[[], float],
        mcp: McpServers = NO_SERVERS,
        trace: Trace = NO_TRACE,
    ) -> None:
        self._session = session
        self._mcp = McpSide(mcp, self)
        self._client = client
        self._ear = ear
        self._voice = voice
        self._clock = AnswerClock(latency, trace)
        self._now = now
        self._worker: WorkerSession | None = None
        self._held: list[worker_pb2.SessionInput] | None = None
        self._feed = EventFeed(client, session.transport)
        self._reply: Callable[[server_events.Event], None] | None = None
        self._performing = False
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._closed = False

    @property
    def gaps(self) -> SpeechGaps:
        """Silence within answers."""
        return self._session.gaps

    def serve(self, worker: WorkerSession | None) -> None:
        """Names the worker that hears of the session from here on; None: it is gone."""
        self._worker = worker

    def hold(self) -> None:
        """What the worker would be told from here on is kept for the one that takes over."""
        again = self._session.turn_again()
        self._held = [again] if again is not None else []

    def as_told(self) -> tuple[worker_pb2.SessionConfig, list[worker_pb2.HistoryItem]]:
        """The session as a worker is told that takes it over: its configuration, the conversation so far."""
        return self._session.worker_config(), self._session.history()

    def resume(self, worker: WorkerSession) -> None:
        """Another worker has taken over: it hears what was kept, and is asked for the answers that are owed."""
        held, self._held = self._held or (), None
        self.serve(worker)
        for message in held:
            self._tell_worker(message)
        self._session.resume(self._now())
        self._perform()

    def start(self) -> None:
        """Begins to find turns, where they are wanted."""
        if self._session.configuration.turn_detection is not None:
            self._session.detect_turns(self._now())
        self._perform()

    def ending(self) -> None:
        """The call is about to end: whoever waits for an answer is told."""
        self._session.end(self._now())
        self._perform()

    def close(self, reason: CloseReason) -> None:
        """The call is over. Whoever can still read is told what that means for answers; nothing else is done."""
        self._closed = True
        self._session.end(self._now())
        for effect in self._session.take_effects():
            if isinstance(effect, SendEvent):
                self._send(effect.event)
        self._mcp.close()
        self._feed.close(reason)
        self._worker = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # From the client

    def events_opened(self) -> None:
        """The client can read events: first what the session is, then what has waited."""
        waiting = self._feed.opened()
        self._reply = self._feed.tell_client
        self._session.open(self._now())
        self._perform()
        self._reply = None
        for event in waiting:
            self._client.send_event(event)

    def client_text(self, text: str, *, origin: Observer | None = None) -> None:
        """One event of the client, or of the observer `origin`, who alone then hears what is wrong with it."""
        self._reply = self._feed.tell_client if origin is None else partial(tell, origin)
        self._session.audio_received(self._ear.end_us)
        self._session.client_text(text, self._now())
        self._perform()
        self._reply = None

    # From observers

    def attach(self, observer: Observer, starting_after: int | None) -> None:
        """See `EventFeed.attach`; the greeting says what the session is now.

        Raises:
            TooManyObservers: there is no room.
        """
        if self._closed:
            observer.call_over(CloseReason.HANGUP)
            return
        self._feed.attach(observer, self._session.greeting()[0], starting_after)

    def detach(self, observer: Observer) -> None:
        """See `EventFeed.detach`."""
        self._feed.detach(observer)

    # From the worker

    def worker_audio(self, frame: worker_pb2.AudioFrame) -> None:
        """One frame of an answer."""
        self._clock.worker_spoke(self._now())
        self._session.worker_audio(frame, self._now())
        self._perform()

    def worker_output(self, output: worker_pb2.SessionOutput) -> None:
        """Anything else."""
        if output.HasField("response_done"):
            self._clock.worker_stages(output.response_done.stage_latency_ms)
        self._session.worker_output(output, self._now())
        self._perform()

    def worker_lost(self) -> None:
        """What the worker was saying fails."""
        self._session.worker_lost(self._now())
        self._perform()

    def tell_gone(self, message: str) -> None:
        """Tells the client why it will hear nothing more, of the answers that it waits for as well."""
        self._session.given_up(self._now())
        self._perform()
        self._send(server_events.error(kind="server_error", code="worker_lost", message=message))

    # From the call

    def shutting_down(self, message: str) -> None:
        """Tells the client why the call is about to end."""
        self._send(server_events.error(kind="server_error", code="shutting_down", message=message))

    # From MCP servers

    def mcp_listed(self, item_id: str, tools: list[McpListedTool] | None) -> None:
        """See `McpListener`."""
        self._session.mcp_listed(item_id, tools, self._now())
        self._perform()

    def mcp_called(self, item_id: str, output: str | None, error: McpError | None) -> None:
        """See `McpListener`."""
        self._session.mcp_called(item_id, output, error, self._now())
        self._perform()

    # From playout

    def played(self, response_id: str, *, drained: bool) -> None:
        """See `VoiceListener.voice_played`."""
        self._clock.heard(self._now())
        self._session.played(response_id, drained=drained, now=self._now())
        self._perform()

    # From turn taking

    def speech_started(self, start_us: int) -> None:
        """See `TurnListener`."""
        self._session.speech_started(start_us, self._now())
        self._perform()

    def speech_stopped(self, end_us: int, voice_end_us: int) -> None:
        """See `TurnListener`."""
        self._clock.turn_over(self._now(), max(0, self._ear.end_us - voice_end_us) / 1e6)
        self._session.speech_stopped(end_us, self._now())
        self._perform()

    def idle_timeout(self, start_us: int, end_us: int) -> None:
        """See `TurnListener`."""
        self._session.idle_timeout(start_us, end_us, self._now())
        self._perform()

    # Effects

    def _perform(self) -> None:
        """Performs what the session wants, and what comes of that. Called from within, it leaves that to itself."""
        if self._performing:
            return
        self._performing = True
        try:
            while not self._closed and (effects := self._session.take_effects()):
                for effect in effects:
                    self._do(effect)
        finally:
            self._performing = False
        self._arm()

    def _do(self, effect: Effect) -> None:
        match effect:
            case Play(frame, response_id):
                self._voice.push(frame, response_id)
            case SendEvent(event):
                self._send(event)
            case SendToWorker(message):
                self._tell_worker(message)
            case Discard(duration_us):
                self._voice.give_back(duration_us)
            case FlushPlayout(response_id):
                self._session.playout_flushed(response_id, self._voice.flush(response_id), self._now())
            case EndSession():
                self._client.end(CloseReason.MAX_DURATION)
            case DetectTurns() | ForgetTurn() | Answering():
                self._tell_turns(effect)
            case AppendAudio():
                self._ear.append(effect)
            case ListMcpTools() | CallMcpTool():
                self._mcp.request(effect)

    def _send(self, event: server_events.Event) -> None:
        if self._reply is not None and event["type"] in _REPLIES:
            self._reply(event)
        else:
            self._feed.send(event)

    def _tell_worker(self, message: worker_pb2.SessionInput) -> None:
        if self._worker is None:
            self._hold(message)
            return
        try:
            self._ear.send(self._worker, message)
        except InputTooLarge as error:
            fault = server_events.error(kind="invalid_request_error", code="input_too_large", message=f"{error}.")
            self._send(fault)

    def _hold(self, message: worker_pb2.SessionInput) -> None:
        # What is in progress is asked for anew in any case.
        if self._held is None or message.HasField("response_request"):
            return
        if len(self._held) < MAX_HELD:
            self._held.append(message)
        else:
            text = "Too much is sent while another model takes over."
            self._send(server_events.error(kind="server_error", code="worker_moving", message=text))

    def _tell_turns(self, effect: DetectTurns | ForgetTurn | Answering) -> None:
        if isinstance(effect, DetectTurns):
            self._detect_turns(effect.turn_detection)
            return
        taking = self._ear.turn_taking
        if taking is None:
            return
        if isinstance(effect, ForgetTurn):
            taking.committed(effect.at_us)
        elif effect.active:
            taking.answer_started()
        else:
            taking.answer_ended()

    def _detect_turns(self, wanted: TurnDetection | None) -> None:
        if wanted is not None and not self._ear.can_detect_turns:
            _log.warning("turns are wanted where none can be found")
            self._send(
                server_events.error(
                    kind="server_error",
                    code="turn_detection_unavailable",
                    message="This transceiver cannot detect turns: set turn_detection to null and commit by hand.",
                    param="session.audio.input.turn_detection",
                )
            )
            return
        self._ear.detect_turns(turn_settings(wanted), self)

    # Time

    def _arm(self) -> None:
        if self._closed:
            return
        due = self._session.next_timeout()
        if self._timer is None or due < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = due
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self._now()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._session.handle_timeout(self._now())
        self._perform()
