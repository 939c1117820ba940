"""Placing, finding and ending calls."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any, Final

import structlog

from offhook.service.tracing import NO_TRACING, Trace, Tracing
from transceiver.calls.answer_latency import AnswerLatency
from transceiver.calls.call import Call
from transceiver.calls.errors import (
    CallEndedEarly,
    CallRefused,
    ModelNotFound,
    NoRelay,
    NoRoom,
    OfferRefused,
    RefusedByWorker,
    TooManyConnecting,
    TransceiverDraining,
)
from transceiver.calls.event_socket import EventSocket
from transceiver.calls.loopback import MODEL as LOOPBACK
from transceiver.calls.loopback import Loopback
from transceiver.calls.placer import DEFAULT_PLACER, Placer
from transceiver.calls.placing import WorkerCalls
from transceiver.calls.socket_call import SocketCall
from transceiver.hub import NoCandidates, SessionHub, TooManySessions
from transceiver.hub import TooManyConnecting as HubTooManyConnecting
from transceiver.quality.report import CallReport
from transceiver.quality.socket_report import SocketReport
from transceiver.quality.totals import QualityTotals
from transceiver.realtime.ids import new_id
from transceiver.realtime.quota import UNLIMITED, Quota
from transceiver.sdp.errors import OfferError
from transceiver.session.actions import CloseReason
from transceiver.worker_link.errors import NoCapacity, NoSuchModel, WorkerRejected

_log = structlog.get_logger(__name__)


NO_ALIASES: Final[Mapping[str, str]] = {}


class CallService:
    """All calls of this transceiver.

    Args:
        hub: sessions.
        workers: puts calls on workers.
        default_model: of a call that names none; None: the first that a worker serves, else loopback.
        aliases: other names for models, as patterns; the first that matches counts, and nothing is the default model.
        max_sockets: sessions on WebSockets at once.
        tracing: keeps traces of calls.
    """

    def __init__(
        self,
        hub: SessionHub,
        workers: WorkerCalls,
        *,
        default_model: str | None,
        aliases: Mapping[str, str] = NO_ALIASES,
        max_sockets: int = 1000,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._tracing = tracing
        self._aliases = aliases
        self._max_sockets = max_sockets
        self._sockets: dict[str, SocketCall | None] = {}
        self._hub = hub
        self._workers = workers
        self._default_model = default_model
        self._calls: dict[str, Call] = {}
        self._last_ended = asyncio.Event()
        self._draining = False
        self.refused: Counter[str] = Counter()
        self.quality = QualityTotals()

    def __len__(self) -> int:
        return len(self._calls) + len(self._sockets)

    @property
    def latency(self) -> AnswerLatency:
        """How long callers wait for answers."""
        return self._workers.latency

    def models(self) -> Collection[str]:
        """What a call may name, the default first."""
        names = {*self._workers.models(), LOOPBACK}
        default = self._model(None)
        return [default, *sorted(names - {default})] if default in names else sorted(names)

    async def create(
        self,
        offer: str,
        *,
        model: str | None,
        session: Mapping[str, Any],
        placed_by: Placer = DEFAULT_PLACER,
        quota: Quota = UNLIMITED,
    ) -> Call:
        """Places a call.

        Args:
            offer: SDP.
            model: a name of `models()`; None for the default.
            session: the Realtime API's session object, as far as the client gave one.
            placed_by: whose it is.
            quota: what its answers may take.

        Raises:
            CallRefused: the offer, the model or the session object is refused, or there is no room.
        """
        try:
            return await self._create(offer, self._model(model), session, placed_by, quota)
        except CallRefused as error:
            self.refused[error.code] += 1
            # Not the message: it quotes the client.
            _log.info("call refused", code=error.code, param=error.param)
            raise

    async def _create(
        self, offer: str, model: str, session: Mapping[str, Any], placed_by: Placer, quota: Quota
    ) -> Call:
        if self._draining:
            raise TransceiverDraining("This transceiver is shutting down. Call again.")
        call = Call(self._hub, self._on_ended, placed_by)
        now = time.monotonic()
        try:
            opened = self._hub.create(offer, call, now=now)
        except OfferError as error:
            raise OfferRefused(str(error), param="sdp") from None
        except TooManySessions as error:
            raise NoRoom(f"No capacity: {error}.") from None
        except HubTooManyConnecting as error:
            raise TooManyConnecting(f"Too many at once: {error}. Call again in a moment.") from None
        except NoCandidates as error:
            raise NoRelay(f"No relay: {error}. Call again in a moment.") from None
        call.open(opened, self._begin_trace(opened.call_id, model, now))
        self._calls[call.id] = call
        try:
            await self._join(call, model, session, quota)
        except BaseException:
            # Nobody will get the answer: also when the request ran out of time while we waited for a worker.
            call.end(CloseReason.REFUSED)
            raise
        call.placed(model)
        return call

    def _begin_trace(self, call_id: str, model: str, begin: float) -> Trace:
        return self._tracing.begin("call", begin, {"offhook.call_id": call_id, "offhook.model": model})

    def _model(self, wanted: str | None) -> str:
        default = self._default_model or next(iter(self._workers.models()), LOOPBACK)
        if wanted is None or wanted in self._workers.models():
            return wanted or default
        for pattern, model in self._aliases.items():
            if fnmatchcase(wanted, pattern):
                return model or default
        return wanted

    async def _join(self, call: Call, model: str, session: Mapping[str, Any], quota: Quota) -> None:
        if model == LOOPBACK:
            call.join(Loopback(call))
            return
        with self._refusals(model):
            side = await self._workers.open(call, model, session, quota, trace=call.trace)
        call.join(side)
        if call.end_reason is not None:
            raise CallEndedEarly(f"The call ended before it was answered ({call.end_reason}). Call again.")

    async def open_socket(
        self, socket: EventSocket, *, model: str | None, session: Mapping[str, Any], quota: Quota = UNLIMITED
    ) -> SocketCall:
        """Begins a session whose events, on a WebSocket, carry the audio.

        Raises:
            CallRefused: the model or the session object is refused, or there is no room.
        """
        try:
            return await self._open_socket(socket, self._model(model), session, quota)
        except CallRefused as error:
            self.refused[error.code] += 1
            _log.info("socket session refused", code=error.code, param=error.param)
            raise

    async def _open_socket(
        self, socket: EventSocket, model: str, session: Mapping[str, Any], quota: Quota
    ) -> SocketCall:
        if self._draining:
            raise TransceiverDraining("This transceiver is shutting down. Connect again.")
        if len(self._sockets) >= self._max_sockets:
            raise NoRoom(f"No capacity: {len(self._sockets)} sessions on WebSockets.")
        if model == LOOPBACK:
            raise ModelNotFound(f"The model '{LOOPBACK}' echoes media tracks: call it by WebRTC.", param="model")
        call_id = new_id("ws")
        self._sockets[call_id] = None
        try:
            with self._refusals(model):
                call = await self._workers.open_socket(
                    call_id,
                    socket,
                    model,
                    session,
                    ended=self._on_socket_ended,
                    quota=quota,
                    begin_trace=lambda: self._begin_trace(call_id, model, time.monotonic()),
                )
        except BaseException:
            self._forget_socket(call_id)
            raise
        if call.end_reason is not None:
            raise CallEndedEarly(f"The session ended before it began ({call.end_reason}). Connect again.")
        self._sockets[call_id] = call
        call.placed(model)
        return call

    @contextmanager
    def _refusals(self, model: str) -> Iterator[None]:
        """What the workers answer, as what a client gets to see."""
        try:
            yield
        except NoSuchModel:
            raise self._not_found(model) from None
        except NoCapacity as error:
            raise NoRoom(f"No capacity: {error}") from None
        except WorkerRejected as error:
            raise RefusedByWorker(str(error), param="session") from None

    def _not_found(self, model: str) -> ModelNotFound:
        message = f"The model '{model}' does not exist here. Known models: {', '.join(self.models())}."
        return ModelNotFound(message, param="model")

    def preview(self, model: str | None, session: Mapping[str, Any]) -> dict[str, Any]:
        """The session object that a session opened so would have.

        Raises:
            CallRefused: the model or the session object is refused.
        """
        wanted = self._model(model)
        if wanted not in self.models():
            raise self._not_found(wanted)
        return self._workers.preview(wanted, session)

    def find(self, call_id: str) -> Call | None:
        """The live call with this id."""
        return self._calls.get(call_id)

    def hang_up(self, call_id: str) -> bool:
        """Ends a call in good order; False if there is none with this id."""
        call = self._calls.get(call_id)
        if call is None:
            return False
        call.hang_up()
        return True

    def stop_admitting(self) -> None:
        """Refuses new calls from now on."""
        self._draining = True

    async def idle(self) -> None:
        """Returns once there is no call."""
        while len(self):
            self._last_ended.clear()
            await self._last_ended.wait()

    def shut_down(self) -> None:
        """Ends every call because this process ends. Some last a moment longer, so that their client reads why."""
        for call in list(self._calls.values()):
            call.shut_down()
        for socket_call in list(self._sockets.values()):
            if socket_call is not None:
                socket_call.shut_down()

    def _on_ended(self, call: Call, report: CallReport) -> None:
        self.quality.add(report)
        self._calls.pop(call.id, None)
        self._tell_idle()

    def _on_socket_ended(self, call: SocketCall, report: SocketReport) -> None:
        self.quality.keep(report)
        self._forget_socket(call.id)

    def _forget_socket(self, call_id: str) -> None:
        self._sockets.pop(call_id, None)
        self._tell_idle()

    def _tell_idle(self) -> None:
        if not len(self):
            self._last_ended.set()
