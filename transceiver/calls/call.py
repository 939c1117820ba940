"""One call: a client's session joined to a model side."""

import asyncio
import time
from collections.abc import Callable

import structlog

from offhook.service.tracing import NO_TRACE, Trace
from transceiver.calls.call_trace import end_trace
from transceiver.calls.event_channel import EventChannel
from transceiver.calls.event_socket import EventSocket, SocketUser
from transceiver.calls.model_side import ModelSide
from transceiver.calls.placer import Placer
from transceiver.hub import SessionHub
from transceiver.quality.report import CallReport, VoiceQuality, report
from transceiver.sdp.credentials import IceCredentials
from transceiver.sdp.reception import Reception
from transceiver.session.actions import AudioReceived, CloseReason, KeyPressed
from transceiver.session.data_channel_events import MessageReceived
from transceiver.session.playout_delay import PlayoutDelay
from transceiver.session.session import Session

_log = structlog.get_logger(__name__)

# Between the last event on the data channel and the end of the session, so that the event is read first.
LAST_EVENT_HEADSTART_S = 0.1
_TOLD = frozenset({CloseReason.WORKER_LOST, CloseReason.WORKER_ENDED, CloseReason.MAX_DURATION, CloseReason.SHUTDOWN})
"""Ends of which events tell the client."""


class Call:
    """Implements SessionListener towards the hub and ClientSide towards the model.

    Args:
        hub: performs what the session decides.
        ended: called once, with the report on it, when the call is over.
        placed_by: whose it is.
    """

    def __init__(self, hub: SessionHub, ended: Callable[["Call", CallReport], None], placed_by: Placer) -> None:
        self.placed_by = placed_by
        self.trace = NO_TRACE
        """The call's, ended with it."""
        self._log = _log
        self._hub = hub
        self._ended = ended
        self._session: Session | None = None
        self._model: ModelSide | None = None
        self._channel: EventChannel | None = None
        self._started_at = time.monotonic()
        self._answered_at: float | None = None
        self.ice_generation = 1
        self.end_reason: CloseReason | None = None
        """Why the call is over; None while it is not."""

    # Set-up, by the call service

    def open(self, session: Session, trace: Trace = NO_TRACE) -> None:
        """Names the session that the hub has opened for this call, and its trace."""
        self._session = session
        self.trace = trace
        if trace.trace_id:
            self._log = _log.bind(trace_id=trace.trace_id)
        if session.has_data_channel:
            self._channel = EventChannel(self._hub, session, opened=self._events_opened, heard=self._message_received)

    def join(self, side: ModelSide) -> None:
        """Puts a model on the line; lets it go at once if the call has ended while the model was asked."""
        self._model = side
        self._answered_at = time.monotonic()
        if self.end_reason is not None:
            side.close(self.end_reason)

    def placed(self, model: str) -> None:
        """The client gets its answer."""
        self._log.info("call placed", call=self.id, model=model)

    @property
    def session(self) -> Session:
        """The client's session."""
        assert self._session is not None
        return self._session

    @property
    def id(self) -> str:
        """The call id, `rtc_…`."""
        return self.session.call_id

    @property
    def answer(self) -> str:
        """SDP answer to the offer."""
        return self.session.answer

    # What the API asks

    def hang_up(self) -> None:
        """Ends the call in good order."""
        self.end(CloseReason.HANGUP)

    def sideband(self, socket: EventSocket, starting_after: int | None) -> SocketUser | None:
        """Somebody who listens to the events from beside; None where there are none. See `Sideband`."""
        return self._model.sideband(socket, starting_after) if self._model is not None else None

    def restart_ice(self, ufrag: str, pwd: str) -> str:
        """Restarts ICE towards new credentials of the client; returns ours as an SDP fragment (RFC 8840)."""
        before = self.session.local_ufrags
        local = self._hub.restart_ice(self.session, IceCredentials(ufrag, pwd), time.monotonic())
        if local.ufrag.encode() not in before:
            # Otherwise these were the client's present credentials, and its ICE session goes on.
            self.ice_generation += 1
        return f"a=ice-lite\r\na=ice-ufrag:{local.ufrag}\r\na=ice-pwd:{local.pwd}\r\n"

    def shut_down(self) -> None:
        """Ends the call because this process ends, and tells the client so."""
        self.end(CloseReason.SHUTDOWN)

    # SessionListener

    def connected(self, session: Session, now: float) -> None:
        """Media flows."""
        if self._channel is not None:
            self._channel.connected(now)
        if self._model is not None:
            self._model.connected()
        self._log.info("call connected", call=session.call_id, setup_ms=round((now - self._started_at) * 1000))

    def ice_restarted(self, session: Session, now: float) -> None:
        """Media flows as before."""
        self._log.info("ice restarted", call=session.call_id)

    def audio(self, session: Session, frame: AudioReceived, now: float) -> None:
        """Passes the client's voice to the model."""
        if self._model is not None:
            self._model.audio(frame)

    def key_pressed(self, session: Session, press: KeyPressed, now: float) -> None:
        """Passes a telephone key to the model."""
        if self._model is not None:
            self._model.key_pressed(press)

    def application_data(self, session: Session, data: bytes, now: float) -> None:
        """Passes SCTP to the data channel."""
        if self._channel is not None:
            self._channel.receive(data, now)

    def closed(self, session: Session, reason: CloseReason, now: float) -> None:
        """Lets everything go."""
        self.end_reason = reason
        ended = report(
            session.call_id,
            reason.value,
            stages=session.stages,
            answered_at=self._answered_at,
            ended_at=now,
            stats=session.stats(),
            voice=self._model.quality() if self._model is not None else VoiceQuality(),
        )
        self._log.info("call ended", **ended.fields())
        end_trace(self.trace, ended, session.stages, answered_at=self._answered_at, now=now)
        # They hold this call, too: so that all three go when they are done, and not when the collector comes. And what
        # the model still says is for those beside: the client's channel is gone.
        channel, model = self._channel, self._model
        self._channel = self._model = None
        if channel is not None:
            channel.close()
        if model is not None:
            model.close(reason)
        self._ended(self, ended)

    # ClientSide

    @property
    def codec(self) -> str:
        """Agreed audio codec."""
        return self.session.negotiated.codec

    @property
    def clock_rate(self) -> int:
        """Of its RTP timestamps."""
        return self.session.negotiated.clock_rate

    @property
    def fraction_lost(self) -> float:
        """What share of our packets the client has missed, by its last report."""
        return self.session.remote_fraction_lost

    @property
    def reception(self) -> Reception:
        """How the client wants to be sent audio."""
        return self.session.reception

    def follow(self, delay: PlayoutDelay, *, reorder: bool) -> None:
        """Tells a playout clock when packets come."""
        self.session.follow(delay, reorder=reorder)

    def send_audio(self, payload: bytes, rtp_timestamp: int, marker: bool) -> None:
        """One frame to the client, now."""
        assert self._session is not None
        self._hub.send_audio(self._session, payload, rtp_timestamp, marker, time.monotonic())

    def schedule_audio(
        self, payload: bytes, rtp_timestamp: int, marker: bool, due: float, level_dbov: int | None
    ) -> None:
        """One frame to the client, when it is due."""
        assert self._session is not None
        self._hub.schedule_audio(self._session, payload, rtp_timestamp, marker, due, time.monotonic(), level_dbov)

    @property
    def audio_waiting(self) -> int:
        """Scheduled frames that have not left."""
        return self._hub.audio_waiting(self.session)

    @property
    def audio_unconfirmed(self) -> int | None:
        """Frames that have left since the newest that the client reports to have received."""
        return self.session.speech.unconfirmed

    def take_back_audio(self) -> int:
        """Those will not leave."""
        return self._hub.take_back_audio(self.session)

    @property
    def event_channel_id(self) -> int | None:
        """The open event channel."""
        return self._channel.channel_id if self._channel is not None else None

    @property
    def may_have_events(self) -> bool:
        """Whether data channels are negotiated."""
        return self._channel is not None

    def send_event(self, event: str) -> None:
        """One event on the event channel."""
        if self._channel is not None:
            self._channel.send_event(event, time.monotonic())

    def send_message(self, channel_id: int, data: str | bytes) -> None:
        """One message on a channel of the client's."""
        if self._channel is not None:
            self._channel.send_message(channel_id, data, time.monotonic())

    def end(self, reason: CloseReason) -> None:
        """Ends the session, a moment later if an event is still on its way."""
        if self._model is not None:
            self._model.ending(reason)
        if self.event_channel_id is not None and reason in _TOLD:
            asyncio.get_running_loop().call_later(LAST_EVENT_HEADSTART_S, self._close, reason)
        else:
            self._close(reason)

    def _events_opened(self) -> None:
        if self._model is not None:
            self._model.events_opened()

    def _message_received(self, message: MessageReceived) -> None:
        if self._model is not None:
            self._model.message(message.channel_id, message.data)

    def _close(self, reason: CloseReason) -> None:
        now = time.monotonic()
        if self._channel is not None:
            self._channel.hang_up(now)
        self._hub.close(self.session, reason, now)
