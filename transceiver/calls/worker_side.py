"""A call's model side on a worker: frames out to it, its audio back at the wire clock."""

import asyncio
from collections.abc import Callable

import structlog
from offhook_proto.worker.v1 import worker_pb2

from transceiver.calls.model_side import ClientSide
from transceiver.playout.frame_duration import duration_us
from transceiver.playout.pacer import Pacer
from transceiver.session.actions import AudioReceived, CloseReason, KeyPressed
from transceiver.worker_link.counters import LostReason
from transceiver.worker_link.session import WorkerSession

_log = structlog.get_logger(__name__)

# Credit and playout position are told in steps of this much audio, not per frame.
REPORT_EVERY_MS = 200

_CODECS = {"opus": worker_pb2.CODEC_OPUS, "PCMU": worker_pb2.CODEC_PCMU, "PCMA": worker_pb2.CODEC_PCMA}
_CLOSE_REASONS = {
    CloseReason.HANGUP: worker_pb2.SessionClose.REASON_API_HANGUP,
    CloseReason.CLIENT_CLOSED: worker_pb2.SessionClose.REASON_CLIENT_HANGUP,
    CloseReason.MAX_DURATION: worker_pb2.SessionClose.REASON_SESSION_EXPIRED,
    CloseReason.SHUTDOWN: worker_pb2.SessionClose.REASON_TRANSCEIVER_DRAINING,
    CloseReason.CONSENT_EXPIRED: worker_pb2.SessionClose.REASON_CLIENT_LOST,
    CloseReason.SETUP_TIMEOUT: worker_pb2.SessionClose.REASON_CLIENT_LOST,
}


def worker_format(codec: str, clock_rate: int) -> worker_pb2.AudioFormat:
    """The negotiated codec as the worker protocol names it.

    Opus is "48000/2" whatever it carries (RFC 7587 section 7): each packet says itself whether it is stereo.
    """
    channels = 2 if codec == "opus" else 1
    return worker_pb2.AudioFormat(codec=_CODECS[codec], sample_rate_hz=clock_rate, channels=channels)


class WorkerSide:
    """Joins a client to a session on a worker. Implements ModelSide and WorkerSessionListener.

    Args:
        client: the other half of the call.
        now: monotonic clock in seconds.
        playout_buffer_ms: how far the worker may be ahead of the wire clock.
    """

    def __init__(self, client: ClientSide, *, now: Callable[[], float], playout_buffer_ms: int) -> None:
        self._client = client
        self._now = now
        self._pacer = Pacer(client.clock_rate, max_buffered_ms=playout_buffer_ms)
        self._session: WorkerSession | None = None
        self._connected = False
        self._ended = False
        self._next_frame: asyncio.TimerHandle | None = None
        self._last_report: asyncio.TimerHandle | None = None
        self._ungranted_ms = 0

    def join(self, session: WorkerSession) -> None:
        """Names the session that the worker has accepted. It may have spoken before."""
        self._session = session
        self._grant(0)

    # ModelSide

    def connected(self) -> None:
        """Plays what the worker has said so far: a greeting is mostly there before the client is."""
        self._connected = True
        self._play()

    def audio(self, frame: AudioReceived) -> None:
        """Passes the frame on untouched."""
        length_us = duration_us(frame.codec, frame.payload)
        if self._session is None or length_us == 0:
            return
        self._session.send_audio(
            frame.payload,
            media_time_us=frame.rtp_timestamp * 1_000_000 // self._client.clock_rate,
            duration_us=length_us,
            level=frame.level_dbov,
            lost_before=frame.lost_before,
        )

    def key_pressed(self, press: KeyPressed) -> None:
        """Passes the key on, in its place among the frames."""
        if self._session is not None:
            dtmf = worker_pb2.Dtmf(event=press.key, duration_ms=press.duration_ms)
            self._session.send(worker_pb2.SessionInput(dtmf=dtmf))

    def message(self, channel_id: int, data: str | bytes) -> None:
        """Workers hear nothing of the client's events yet."""

    def close(self, reason: CloseReason) -> None:
        """Tells the worker, and plays nothing more."""
        self._stop_playing()
        if self._session is not None:
            self._session.close(_CLOSE_REASONS.get(reason, worker_pb2.SessionClose.REASON_ERROR))

    # WorkerSessionListener

    def worker_audio(self, frame: worker_pb2.AudioFrame) -> None:
        """Queues one frame for its time."""
        accepted = self._pacer.push(
            frame.payload,
            media_time_us=frame.media_time_us,
            duration_us=frame.duration_us,
            response_id=frame.response_id,
        )
        if not accepted:
            # Beyond its credit. What is not played costs the worker nothing.
            self._grant(frame.duration_us // 1000)
        elif self._connected and self._next_frame is None:
            self._play()

    def worker_text(self, response_id: str, delta: str) -> None:
        """Shows text."""
        self._client.send_text(response_id, delta)

    def worker_transcript(self, response_id: str, delta: str, audio_start_us: int) -> None:
        """Shows the words of the audio."""
        self._client.send_transcript(response_id, delta)

    def worker_message(self, output: worker_pb2.SessionOutput) -> None:
        """Acts on the rest of the protocol, as far as a session can ask for it yet."""
        kind = output.WhichOneof("output")
        if kind == "flush":
            flushed_ms = self._pacer.flush(output.flush.response_id or None)
            self._grant(flushed_ms)
        elif kind == "input_transcription":
            self._client.send_input_transcript(output.input_transcription.item_id, output.input_transcription.delta)
        elif kind == "error":
            self._client.send_error(output.error.code or "worker_error", output.error.message)
        else:
            _log.debug("worker message without effect", kind=kind)

    def worker_ended(self) -> None:
        """The worker is done: so is the call, once the caller has heard what is queued."""
        self._session = None
        self._ended = True
        if self._pacer.next_due(self._now()) is None:
            self._client.end(CloseReason.WORKER_ENDED)

    def worker_lost(self, reason: LostReason) -> None:
        """Tells the caller why, rather than going silent."""
        self._session = None
        self._client.send_error("worker_lost", "The model serving this call is gone. Call again to reach another one.")
        self._client.end(CloseReason.WORKER_LOST)

    # Playout

    def _play(self) -> None:
        self._next_frame = None
        now, loop = self._now(), asyncio.get_running_loop()
        for frame in self._pacer.release(now):
            self._client.send_audio(frame.payload, frame.rtp_timestamp, frame.marker)
        self._report(at_least_ms=REPORT_EVERY_MS)
        due = self._pacer.next_due(now)
        if due is not None:
            self._next_frame = loop.call_later(due - now, self._play)
        elif self._ended:
            self._client.end(CloseReason.WORKER_ENDED)
        elif self._last_report is None:
            # The end of a response is less than a step.
            self._last_report = loop.call_later(REPORT_EVERY_MS / 1000, self._report_rest)

    def _report_rest(self) -> None:
        self._last_report = None
        self._report(at_least_ms=1)

    def _report(self, *, at_least_ms: int) -> None:
        played_ms = self._pacer.take_played_ms(at_least=at_least_ms)
        if played_ms == 0 or self._session is None:
            return
        self._grant(played_ms)
        response_id = self._pacer.playing
        if response_id:
            self._session.playout(response_id, self._pacer.played_us(response_id), self._pacer.buffered_ms)

    def _grant(self, audio_ms: int) -> None:
        self._ungranted_ms += audio_ms
        if self._session is not None:
            self._session.grant_output(self._ungranted_ms)
            self._ungranted_ms = 0

    def _stop_playing(self) -> None:
        for timer in (self._next_frame, self._last_report):
            if timer is not None:
                timer.cancel()
        self._next_frame = self._last_report = None
        self._pacer.flush()
