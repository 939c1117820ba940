"""A session whose events carry the audio: a client on a WebSocket joined to a session on a worker."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog
from offhook_proto.worker.v1 import worker_pb2

from offhook.service.tracing import NO_TRACE, Trace
from transceiver.audio.interface import EventOutput, ModelDecoder
from transceiver.calls.answer_latency import AnswerLatency
from transceiver.calls.call_trace import end_socket_trace
from transceiver.calls.event_socket import EventSocket
from transceiver.calls.event_voice import CODECS, EventVoice
from transceiver.calls.gathered_audio import GatheredAudio
from transceiver.calls.mcp_servers import NO_SERVERS, McpServers
from transceiver.calls.realtime_side import RealtimeSide
from transceiver.calls.succession import Handover, Succession
from transceiver.calls.worker_side import CLOSE_REASONS
from transceiver.quality.socket_report import SocketReport, SocketTimes
from transceiver.realtime.session import RealtimeSession
from transceiver.session.actions import CloseReason
from transceiver.worker_link.counters import LostReason
from transceiver.worker_link.session import WorkerSession

_log = structlog.get_logger(__name__)

LONGEST_DELTA_BYTES: Final = 96_000
"""Of a model's audio in one event, as the model gives it: one to two seconds, far below the limit of an event."""
BYTES_PER_SAMPLE: Final = 2


class SocketCall:
    """Implements WorkerSessionListener, and towards RealtimeSide the client and the voice.

    The client plays, and says itself what it has played. So a model's audio goes out as fast as it comes, and costs
    its credit no longer than that.

    Args:
        id: for logs and the worker.
        decoder: of what the model says; None: it gives samples.
        output: converts samples to what the client has chosen.
        hand_over: opens the session anew on another worker, for this listener.
        ended: called once, with the report on it, when the session is over.
        trace: of the call, ended with it.
    """

    may_have_events = True
    event_channel_id = 0

    def __init__(  # noqa: PLR0913 - the parts of a session, each by its name
        self,
        id: str,
        socket: EventSocket,
        session: RealtimeSession,
        *,
        ear: EventVoice,
        decoder: ModelDecoder | None,
        output: EventOutput,
        latency: AnswerLatency,
        mcp: McpServers = NO_SERVERS,
        hand_over: "Callable[[Handover, SocketCall], Awaitable[WorkerSession]]",
        ended: Callable[["SocketCall", SocketReport], None],
        trace: Trace = NO_TRACE,
    ) -> None:
        self.id = id
        self._socket = socket
        self._session = session
        self._ear = ear
        self._decoder = decoder
        self._output = output
        self._ended = ended
        self._trace = trace
        self._log = _log.bind(trace_id=trace.trace_id) if trace.trace_id else _log
        self._times = SocketTimes(opened_at=time.monotonic())
        self._realtime = RealtimeSide(
            session, client=self, ear=ear, voice=self, latency=latency, now=time.monotonic, mcp=mcp, trace=trace
        )
        self._worker: WorkerSession | None = None
        self._hand_over = hand_over
        self._succession = Succession(self._reopen, found=self._succeed, given_up=self._give_up, now=time.monotonic)
        self._last_word: worker_pb2.SessionOutput | None = None
        self._ungranted_us = 0
        self._gathered = GatheredAudio(self._show)
        self.end_reason: CloseReason | None = None
        """Why it is over; None while it is not."""

    def join(self, worker: WorkerSession) -> None:
        """Names the session that the worker has accepted. It may have spoken before."""
        self._worker = worker
        self._times.answered_at = time.monotonic()
        self._ear.feed(worker)
        self._realtime.serve(worker)
        self._grant(0)

    def placed(self, model: str) -> None:
        """The client gets its answer."""
        self._log.info("call placed", call=self.id, model=model)

    def open(self) -> None:
        """The socket is open: the client is told what the session is."""
        self._realtime.start()
        self._realtime.events_opened()

    # The socket

    def client_text(self, text: str) -> None:
        """One event of the client."""
        if self.end_reason is None:
            self._realtime.client_text(text)

    async def ready(self) -> None:
        """Returns when the client may be read again."""
        await self._ear.ready()

    def left(self) -> None:
        """The client has gone."""
        self.end(CloseReason.CLIENT_CLOSED)

    def shut_down(self) -> None:
        """Ends it because this process ends, and tells the client so."""
        self._realtime.shutting_down("This transceiver is shutting down. Connect again to reach another one.")
        self.end(CloseReason.SHUTDOWN)

    # As RealtimeSide sees it

    def send_event(self, event: str) -> None:
        """One event to the client."""
        if self.end_reason is None:
            self._socket.send(event)

    def end(self, reason: CloseReason) -> None:
        """It is over; the first reason counts."""
        if self.end_reason is not None:
            return
        self._realtime.close(reason)
        self.end_reason = reason
        report = self._report(reason)
        self._succession.close()
        self._ear.close()
        if self._decoder is not None:
            self._decoder.close()
        self._gathered.close()
        self._output.close()
        if self._worker is not None:
            self._worker.close(CLOSE_REASONS.get(reason, worker_pb2.SessionClose.REASON_ERROR))
            self._worker = None
        self._socket.end(reason)
        self._ended(self, report)

    def _report(self, reason: CloseReason) -> SocketReport:
        now, self._times.heard_at = time.monotonic(), self._ear.heard_at
        report = self._times.report(self.id, reason.value, ended_at=now, from_client_audio_us=self._ear.end_us)
        self._log.info("call ended", **report.fields())
        end_socket_trace(self._trace, report, self._times, now=now)
        return report

    def push(self, frame: worker_pb2.AudioFrame, response_id: str) -> None:
        """Must not be called: the client plays."""
        raise AssertionError("a client that gets its audio in events plays it itself")

    def flush(self, response_id: str | None) -> int:
        """Must not be called: the same."""
        raise AssertionError("a client that gets its audio in events plays it itself")

    def give_back(self, duration_us: int) -> None:
        """Nothing: all audio has been given back when it came, as nothing of it is queued here."""

    def _grant(self, duration_us: int) -> None:
        """The model may send as much anew."""
        self._ungranted_us += duration_us
        if self._worker is not None:
            whole_ms, self._ungranted_us = divmod(self._ungranted_us, 1000)
            self._worker.grant_output(whole_ms)

    # WorkerSessionListener

    def worker_audio(self, frame: worker_pb2.AudioFrame) -> None:
        """Converts and shows a frame, with those that come with it. Audio outside any response has no event."""
        if not frame.response_id:
            self._grant(frame.duration_us)
        elif self._decoder is None:
            self._gathered.add(frame)
        else:
            self._decoder.decode(frame.payload, frame.duration_us, partial(self._decoded, frame))

    def _decoded(self, frame: worker_pb2.AudioFrame, samples: bytes) -> None:
        frame.payload = samples
        self._gathered.add(frame)

    def _show(self, frame: worker_pb2.AudioFrame) -> None:
        self._grant(frame.duration_us)
        self._times.answer_audio_us += frame.duration_us
        codec = CODECS[self._session.configuration.output_format.type]
        count = max(1, len(frame.payload) // BYTES_PER_SAMPLE)
        for begin in range(0, len(frame.payload), LONGEST_DELTA_BYTES):
            samples = frame.payload[begin : begin + LONGEST_DELTA_BYTES]
            part = worker_pb2.AudioFrame(
                media_time_us=frame.media_time_us + frame.duration_us * (begin // BYTES_PER_SAMPLE) // count,
                duration_us=frame.duration_us * (len(samples) // BYTES_PER_SAMPLE) // count,
                response_id=frame.response_id,
            )
            self._output.convert(codec, samples, partial(self._converted, part))

    def _converted(self, frame: worker_pb2.AudioFrame, payload: bytes) -> None:
        frame.payload = payload
        self._realtime.worker_audio(frame)

    def worker_text(self, response_id: str, delta: str) -> None:
        """Shows text."""
        text = worker_pb2.TextDelta(response_id=response_id, delta=delta)
        self.worker_message(worker_pb2.SessionOutput(text=text))

    def worker_transcript(self, response_id: str, delta: str, audio_start_us: int) -> None:
        """Shows the words of the audio."""
        words = worker_pb2.TranscriptDelta(response_id=response_id, delta=delta, audio_start_us=audio_start_us)
        self.worker_message(worker_pb2.SessionOutput(transcript=words))

    def worker_message(self, output: worker_pb2.SessionOutput) -> None:
        """Acts on the rest of the protocol, after the audio before it."""
        if output.error.fatal:
            # Whether the client is to hear of it depends on whether another worker takes over.
            self._last_word = output
            return
        self._after_audio(lambda: self._realtime.worker_output(output))

    def _after_audio(self, then: Callable[[], None]) -> None:
        if self._decoder is None:
            self._after_samples(then)
        else:
            self._decoder.after(partial(self._after_samples, then))

    def _after_samples(self, then: Callable[[], None]) -> None:
        self._gathered.flush()
        self._output.after(then)

    def worker_ended(self) -> None:
        """The worker is done: so is the session, once the client has got everything."""
        self._succession.close()
        self._after_audio(lambda: self.end(CloseReason.WORKER_ENDED))

    def worker_lost(self, reason: LostReason) -> None:
        """Goes on with another worker, or tells the client why not, once it has got what the lost one said."""
        if self._succession.is_seeking:
            # One that had just accepted; the succession sees for itself.
            return
        lost, self._worker = self._worker, None
        self._ear.feed(None)
        self._realtime.serve(None)
        self._after_audio(partial(self._seek, lost, reason))

    # Succession

    def _seek(self, lost: WorkerSession | None, reason: LostReason) -> None:
        if self.end_reason is not None:
            return
        self._realtime.worker_lost()
        if lost is None:
            self._give_up()
        else:
            self._succession.seek(lost, reason)

    async def _reopen(self, lost: str) -> WorkerSession:
        # From here on what happens is kept for the next worker: the history has what was before.
        self._realtime.hold()
        self._ungranted_us = 0
        config, history = self._realtime.as_told()
        return await self._hand_over(Handover(lost, config, history, unplayed_ms=0), self)

    def _succeed(self, worker: WorkerSession) -> None:
        self._last_word = None
        self._worker = worker
        self._ear.feed(worker)
        self._realtime.resume(worker)
        self._grant(0)

    def _give_up(self) -> None:
        if self._last_word is not None:
            self._realtime.worker_output(self._last_word)
        self._realtime.tell_gone("The model serving this session is gone. Connect again to reach another one.")
        self.end(CloseReason.WORKER_LOST)
