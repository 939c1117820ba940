"""Puts a call on a worker: the parts of its model side, made to fit client, model and process."""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from offhook_proto.worker.v1 import worker_pb2

from offhook.service.tracing import NO_TRACE, Trace
from transceiver.audio.interface import Audio, Playout
from transceiver.calls.answer_latency import AnswerLatency
from transceiver.calls.caller_voice import CallerVoice
from transceiver.calls.errors import SessionRefused
from transceiver.calls.event_socket import EventSocket
from transceiver.calls.event_voice import EventVoice
from transceiver.calls.formats import (
    CODEC_NAMES,
    EVENT_FORMAT,
    choose_event_format,
    choose_format,
    client_format,
    is_samples,
)
from transceiver.calls.input_memory import InputMemory
from transceiver.calls.mcp_servers import NO_SERVERS, McpServers
from transceiver.calls.model_side import ClientSide
from transceiver.calls.model_voice import ModelVoice, VoiceListener
from transceiver.calls.socket_call import SocketCall
from transceiver.calls.succession import Handover
from transceiver.calls.worker_side import WorkerSide
from transceiver.config import SessionLimits
from transceiver.playout.pacer import Pacer
from transceiver.playout.silence import SILENCE
from transceiver.quality.socket_report import SocketReport
from transceiver.realtime.errors import EventError
from transceiver.realtime.model import ModelTraits
from transceiver.realtime.quota import UNLIMITED, Quota
from transceiver.realtime.session import RealtimeSession
from transceiver.realtime.transport import DATA_CHANNEL, WEBSOCKET, Transport
from transceiver.session.actions import CloseReason
from transceiver.turns.interface import Turns
from transceiver.worker_link.listener import WorkerSessionListener
from transceiver.worker_link.pool import ModelInfo, WorkerPool
from transceiver.worker_link.session import WorkerSession

LAST_WORD_S = 1.0


class WorkerCalls:
    """Opens the model side of calls on workers.

    Args:
        workers: models.
        audio: codecs; None or unsupported: only models that take and give the client's own codec are served.
        turns: turn taking; None: clients commit by hand.
        mcp: servers whose tools sessions may name.
        limits: how far a worker may be ahead of the wire clock, and how long a call may last.
    """

    def __init__(
        self,
        workers: WorkerPool,
        *,
        audio: Audio | None,
        turns: Turns | None,
        limits: SessionLimits,
        mcp: McpServers = NO_SERVERS,
    ) -> None:
        self._mcp = mcp
        self._workers = workers
        self._audio = audio if audio is not None and audio.supported else None
        self._turns = turns
        self._limits = limits
        self.latency = AnswerLatency()

    def models(self) -> Collection[str]:
        """The models that workers serve now."""
        return self._workers.models()

    async def open(
        self,
        client: ClientSide,
        model: str,
        given: Mapping[str, Any],
        quota: Quota = UNLIMITED,
        *,
        trace: Trace = NO_TRACE,
    ) -> WorkerSide:
        """Finds a worker and joins the client to it.

        Args:
            given: the session object that came with the call.
            quota: what its answers may take.
            trace: of the call; the worker continues it.

        Raises:
            SessionRefused: `given` is at fault, or the model wants samples and this installation has no codecs.
            NoSuchModel, NoCapacity, WorkerRejected: as `WorkerPool.open` says.
        """
        info = self._workers.models().get(model)
        session = self._session(model, DATA_CHANNEL, given, quota)
        own = client_format(client.codec, client.clock_rate)
        can_convert = self._audio is not None
        if info is not None and not can_convert:
            _refuse_samples(model, own, info)
        input_format = choose_format(own, info.input_formats if info is not None else (), can_convert=can_convert)
        output_format = choose_format(own, info.output_formats if info is not None else (), can_convert=can_convert)
        memory = InputMemory(lambda: session.audio_needed_from_us)
        ear = CallerVoice(client, audio=self._audio, turns=self._turns, memory=memory)
        side = WorkerSide(
            client,
            session,
            ear,
            lambda listener: self._voice(client, output_format, listener),
            latency=self.latency,
            mcp=self._mcp,
            trace=trace,
            now=time.monotonic,
            hand_over=self._mover(model, client.id, input_format, output_format, trace.traceparent),
        )
        asked_at = time.monotonic()
        try:
            joined = await self._workers.open(
                model=model,
                call_id=client.id,
                input_format=input_format,
                output_format=output_format,
                config=session.worker_config(),
                listener=side,
                traceparent=trace.traceparent,
            )
        except BaseException:
            side.close(CloseReason.REFUSED)
            raise
        trace.span("worker: open", asked_at, time.monotonic(), {"offhook.model": model})
        side.join(joined)
        return side

    async def open_socket(
        self,
        id: str,
        socket: EventSocket,
        model: str,
        given: Mapping[str, Any],
        *,
        ended: Callable[[SocketCall, SocketReport], None],
        quota: Quota = UNLIMITED,
        begin_trace: Callable[[], Trace] = lambda: NO_TRACE,
    ) -> SocketCall:
        """Finds a worker for a client whose events carry the audio.

        Args:
            id: for logs and the worker.
            given: the session object, as far as the connection says something of it.
            ended: called once, with the report on it, when the session is over.
            quota: what its answers may take.
            begin_trace: of the call, once the session object is accepted; the worker continues it.

        Raises:
            SessionRefused: `given` is at fault, or this installation has no codecs.
            NoSuchModel, NoCapacity, WorkerRejected: as `WorkerPool.open` says.
        """
        info = self._workers.models().get(model)
        session = self._session(model, WEBSOCKET, given, quota)
        if self._audio is None:
            message = "This installation has no codecs: WebSocket sessions need the native module."
            raise SessionRefused(message, code="audio_unavailable", param=None)
        input_format = choose_event_format(info.input_formats if info is not None else ())
        output_format = choose_event_format(info.output_formats if info is not None else ())
        trace = begin_trace()
        codec = CODEC_NAMES.get(output_format.codec)
        rate = output_format.sample_rate_hz if codec is None else EVENT_FORMAT.sample_rate_hz
        side = SocketCall(
            id,
            socket,
            session,
            ear=EventVoice(
                self._audio,
                self._turns,
                lambda: session.configuration.input.format,
                InputMemory(lambda: session.audio_needed_from_us),
            ),
            decoder=self._audio.open_model_decoder(codec, rate) if codec is not None else None,
            output=self._audio.open_event_output(rate),
            latency=self.latency,
            mcp=self._mcp,
            hand_over=self._mover(model, id, input_format, output_format, trace.traceparent),
            ended=ended,
            trace=trace,
        )
        asked_at = time.monotonic()
        try:
            joined = await self._workers.open(
                model=model,
                call_id=id,
                input_format=input_format,
                output_format=output_format,
                config=session.worker_config(),
                listener=side,
                traceparent=trace.traceparent,
            )
        except BaseException:
            side.end(CloseReason.REFUSED)
            raise
        trace.span("worker: open", asked_at, time.monotonic(), {"offhook.model": model})
        side.join(joined)
        return side

    def preview(self, model: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The session object that a session opened so would have.

        Raises:
            SessionRefused: `given` is at fault.
        """
        return self._session(model, WEBSOCKET, given).configuration.as_json()

    def _mover(
        self,
        model: str,
        call_id: str,
        input_format: worker_pb2.AudioFormat,
        output_format: worker_pb2.AudioFormat,
        traceparent: str = "",
    ) -> Callable[[Handover, WorkerSessionListener], Awaitable[WorkerSession]]:
        """Opens a call that has lost its worker on another one. Raises OpenError."""

        async def hand_over(call: Handover, listener: WorkerSessionListener) -> WorkerSession:
            return await self._workers.open(
                model=model,
                call_id=call_id,
                input_format=input_format,
                output_format=output_format,
                config=call.config,
                listener=listener,
                history=call.history,
                avoid=call.lost,
                unplayed_ms=call.unplayed_ms,
                traceparent=traceparent,
            )

        return hand_over

    def _session(
        self, model: str, transport: Transport, given: Mapping[str, Any], quota: Quota = UNLIMITED
    ) -> RealtimeSession:
        info = self._workers.models().get(model)
        traits = ModelTraits.of(model, info.capabilities if info is not None else ())
        try:
            return RealtimeSession(
                traits,
                transport,
                given,
                # Before the call is ended for the same reason, so that the client is told.
                longest_s=self._limits.max_duration_s - LAST_WORD_S,
                longest_silence_s=self._limits.answer_timeout_s,
                quota=quota,
                now=time.monotonic(),
                unix_time=time.time(),
            )
        except EventError as error:
            raise SessionRefused(error.message, code=error.code, param=error.param) from None

    def _voice(self, client: ClientSide, output_format: worker_pb2.AudioFormat, listener: VoiceListener) -> ModelVoice:
        def open_playout(ready: Callable[[], None]) -> Playout:
            if self._audio is not None and is_samples(output_format):
                rate = output_format.sample_rate_hz
                return self._audio.open_playout(
                    client.codec,
                    rate,
                    max_buffered_ms=self._limits.playout_buffer_ms,
                    ready=ready,
                    reception=client.reception,
                    fraction_lost=lambda: client.fraction_lost,
                )
            return Pacer(
                client.clock_rate,
                max_buffered_ms=self._limits.playout_buffer_ms,
                silence=SILENCE.get(client.codec, b""),
            )

        return ModelVoice(client, open_playout, listener, now=time.monotonic)


def _refuse_samples(model: str, own: worker_pb2.AudioFormat, info: ModelInfo) -> None:
    """Says what is wrong where a model takes or gives samples only, and nothing here makes them."""
    for offered in (info.input_formats, info.output_formats):
        if own not in offered and any(map(is_samples, offered)):
            message = (
                f"The model '{model}' works on samples, and this installation has no codecs: install the native module "
                "(offhook-datapath), or call a model that takes the codec itself."
            )
            raise SessionRefused(message, code="audio_unavailable", param="model")
