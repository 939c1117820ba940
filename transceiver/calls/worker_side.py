"""A call's model side on a worker: the caller's voice to it, its voice back at the wire clock, events in between."""

from collections.abc import Awaitable, Callable

from offhook_proto.worker.v1 import worker_pb2

from offhook.service.tracing import NO_TRACE, Trace
from transceiver.calls.answer_latency import AnswerLatency
from transceiver.calls.caller_voice import CallerVoice
from transceiver.calls.event_socket import EventSocket
from transceiver.calls.mcp_servers import NO_SERVERS, McpServers
from transceiver.calls.model_side import ClientSide
from transceiver.calls.model_voice import ModelVoice
from transceiver.calls.realtime_side import RealtimeSide
from transceiver.calls.sideband import Sideband
from transceiver.calls.succession import Handover, Succession
from transceiver.quality.report import VoiceQuality
from transceiver.realtime.session import RealtimeSession
from transceiver.session.actions import AudioReceived, CloseReason, KeyPressed
from transceiver.worker_link.counters import LostReason
from transceiver.worker_link.session import WorkerSession

CLOSE_REASONS = {
    CloseReason.HANGUP: worker_pb2.SessionClose.REASON_API_HANGUP,
    CloseReason.CLIENT_CLOSED: worker_pb2.SessionClose.REASON_CLIENT_HANGUP,
    CloseReason.MAX_DURATION: worker_pb2.SessionClose.REASON_SESSION_EXPIRED,
    CloseReason.SHUTDOWN: worker_pb2.SessionClose.REASON_TRANSCEIVER_DRAINING,
    CloseReason.CONSENT_EXPIRED: worker_pb2.SessionClose.REASON_CLIENT_LOST,
    CloseReason.SETUP_TIMEOUT: worker_pb2.SessionClose.REASON_CLIENT_LOST,
}
"""What the worker is told; anything else is an error."""


class WorkerSide:
    """Joins a client to a session on a worker. Implements ModelSide, WorkerSessionListener and VoiceListener.

    Args:
        client: the other half of the call.
        session: the semantics of its events.
        ear: hears the caller.
        open_voice: makes the call's voice, given its listener.
        latency: counts how long callers wait.
        trace: of the call.
        hand_over: opens the call's session on another worker, for this listener; None: a lost worker ends the call.
        now: monotonic clock in seconds.
    """

    def __init__(  # noqa: PLR0913 - the parts of a call, each by its name
        self,
        client: ClientSide,
        session: RealtimeSession,
        ear: CallerVoice,
        open_voice: "Callable[[WorkerSide], ModelVoice]",
        *,
        latency: AnswerLatency,
        now: Callable[[], float],
        mcp: McpServers = NO_SERVERS,
        trace: Trace = NO_TRACE,
        hand_over: "Callable[[Handover, WorkerSide], Awaitable[WorkerSession]] | None" = None,
    ) -> None:
        self._client = client
        self._hand_over = hand_over
        self._succession = (
            Succession(self._reopen, found=self._succeed, given_up=self._give_up, now=now) if hand_over else None
        )
        self._last_word: worker_pb2.SessionOutput | None = None
        self._ear = ear
        self._voice = open_voice(self)
        self._realtime = RealtimeSide(
            session, client=client, ear=ear, voice=self._voice, latency=latency, now=now, mcp=mcp, trace=trace
        )
        self._session: WorkerSession | None = None
        self._ungranted_ms = 0

    def join(self, session: WorkerSession) -> None:
        """Names the session that the worker has accepted. It may have spoken before."""
        self._session = session
        self._ear.feed(session)
        self._realtime.serve(session)
        self._realtime.start()
        self.voice_credit(0)

    # ModelSide

    def connected(self) -> None:
        """Plays what the worker has said so far."""
        self._voice.connected()

    def events_opened(self) -> None:
        """Tells the client what it may know of its session."""
        self._realtime.events_opened()

    def audio(self, frame: AudioReceived) -> None:
        """Passes the client's voice on."""
        self._ear.receive(frame)

    def key_pressed(self, press: KeyPressed) -> None:
        """Passes the key on, in its place among the frames."""
        if self._session is not None:
            dtmf = worker_pb2.Dtmf(event=press.key, duration_ms=press.duration_ms)
            self._ear.send(self._session, worker_pb2.SessionInput(dtmf=dtmf))

    def message(self, channel_id: int, data: str | bytes) -> None:
        """Reads the client's events; other channels and binary messages have no meaning here."""
        if channel_id == self._client.event_channel_id and isinstance(data, str):
            self._realtime.client_text(data)

    def sideband(self, socket: EventSocket, starting_after: int | None) -> Sideband:
        """A server that listens from beside."""
        return Sideband(self._realtime, socket, starting_after)

    def quality(self) -> VoiceQuality:
        """See `ModelSide`."""
        gaps = self._realtime.gaps
        return VoiceQuality(self._ear.concealed_s, self._ear.late_packet_wait_s, gaps.all_gaps, gaps.all_silent_s)

    def ending(self, reason: CloseReason) -> None:
        """Tells the client what it waits for in vain, and where it is not its fault that, and what to do."""
        if reason is CloseReason.SHUTDOWN:
            self._realtime.shutting_down("This transceiver is shutting down. Call again to reach another one.")
        self._realtime.ending()

    def close(self, reason: CloseReason) -> None:
        """Tells the worker, and plays nothing more."""
        if self._succession is not None:
            self._succession.close()
        self._voice.close()
        self._ear.close()
        self._realtime.close(reason)
        if self._session is not None:
            self._session.close(CLOSE_REASONS.get(reason, worker_pb2.SessionClose.REASON_ERROR))

    # WorkerSessionListener

    def worker_audio(self, frame: worker_pb2.AudioFrame) -> None:
        """Plays a frame, if it may be heard. What belongs to no response is an echo, and plays as it comes."""
        if frame.response_id:
            self._realtime.worker_audio(frame)
        else:
            self._voice.push(frame, "")

    def worker_text(self, response_id: str, delta: str) -> None:
        """Shows text."""
        text = worker_pb2.TextDelta(response_id=response_id, delta=delta)
        self._realtime.worker_output(worker_pb2.SessionOutput(text=text))

    def worker_transcript(self, response_id: str, delta: str, audio_start_us: int) -> None:
        """Shows the words of the audio."""
        words = worker_pb2.TranscriptDelta(response_id=response_id, delta=delta, audio_start_us=audio_start_us)
        self._realtime.worker_output(worker_pb2.SessionOutput(transcript=words))

    def worker_message(self, output: worker_pb2.SessionOutput) -> None:
        """Acts on the rest of the protocol."""
        if output.error.fatal:
            # Whether the caller is to hear of it depends on whether another worker takes over.
            self._last_word = output
            return
        if output.HasField("flush") and not output.flush.response_id:
            # All that is queued; what belongs to no response is not the session's business.
            self._voice.flush("")
        self._realtime.worker_output(output)

    def worker_ended(self) -> None:
        """The worker is done: so is the call, once the caller has heard what is queued."""
        if self._succession is not None:
            self._succession.close()
        self._leave()
        self._voice.finish()

    def worker_lost(self, reason: LostReason) -> None:
        """Goes on with another worker, or tells the caller why not, rather than going silent."""
        if self._succession is not None and self._succession.is_seeking:
            # One that had just accepted; the succession sees for itself.
            return
        lost = self._session
        self._leave()
        self._realtime.worker_lost()
        if lost is not None and self._succession is not None:
            self._succession.seek(lost, reason)
        else:
            self._give_up()

    # VoiceListener

    def voice_played(self, response_id: str, *, drained: bool) -> None:
        """Tells the client when an answer begins and ends to be heard."""
        self._realtime.played(response_id, drained=drained)

    def voice_position(self, response_id: str, played_us: int, received_us: int, buffered_ms: int) -> None:
        """Tells the worker how far its answer has been heard."""
        if self._session is not None:
            self._session.playout(response_id, played_us, received_us, buffered_ms)

    def voice_credit(self, audio_ms: int) -> None:
        """Lets the worker send more; what it said before it was joined counts as well."""
        self._ungranted_ms += audio_ms
        if self._session is not None:
            self._session.grant_output(self._ungranted_ms)
            self._ungranted_ms = 0

    def voice_over(self) -> None:
        """The worker is done and everything has been heard."""
        self._client.end(CloseReason.WORKER_ENDED)

    # Succession

    async def _reopen(self, lost: str) -> WorkerSession:
        assert self._hand_over is not None
        # From here on what happens is kept for the next worker: the history has what was before.
        self._realtime.hold()
        self._ungranted_ms = 0
        config, history = self._realtime.as_told()
        return await self._hand_over(Handover(lost, config, history, self._voice.buffered_ms), self)

    def _succeed(self, session: WorkerSession) -> None:
        self._last_word = None
        self._session = session
        self._ear.feed(session)
        self._realtime.resume(session)
        self.voice_credit(0)

    def _give_up(self) -> None:
        if self._last_word is not None:
            self._realtime.worker_output(self._last_word)
        self._realtime.tell_gone("The model serving this call is gone. Call again to reach another one.")
        self._client.end(CloseReason.WORKER_LOST)

    def _leave(self) -> None:
        self._session = None
        self._ear.feed(None)
        self._realtime.serve(None)
