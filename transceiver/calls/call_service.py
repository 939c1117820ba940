"""Placing, finding and ending calls."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import structlog

from transceiver.calls.call import Call
from transceiver.calls.loopback import MODEL as LOOPBACK
from transceiver.calls.loopback import Loopback
from transceiver.calls.session_config import session_config
from transceiver.calls.worker_side import WorkerSide, worker_format
from transceiver.hub import SessionHub, TooManySessions
from transceiver.sdp.errors import OfferError
from transceiver.session.actions import CloseReason
from transceiver.signalling.errors import ApiError
from transceiver.worker_link.errors import NoCapacity, NoSuchModel, WorkerRejected
from transceiver.worker_link.pool import WorkerPool

_log = structlog.get_logger(__name__)


class CallService:
    """All calls of this transceiver.

    Args:
        hub: sessions.
        workers: models.
        default_model: of a call that names none; None: the first that a worker serves, else loopback.
        playout_buffer_ms: how far a worker may be ahead of the wire clock.
    """

    def __init__(
        self,
        hub: SessionHub,
        workers: WorkerPool,
        *,
        default_model: str | None,
        playout_buffer_ms: int,
    ) -> None:
        self._hub = hub
        self._workers = workers
        self._default_model = default_model
        self._playout_buffer_ms = playout_buffer_ms
        self._calls: dict[str, Call] = {}
        self._last_ended = asyncio.Event()
        self._draining = False
        self.refused: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._calls)

    def models(self) -> Collection[str]:
        """What a call may name, the default first."""
        names = {*self._workers.models(), LOOPBACK}
        default = self._model(None)
        return [default, *sorted(names - {default})] if default in names else sorted(names)

    async def create(self, offer: str, *, model: str | None, session: Mapping[str, Any]) -> Call:
        """Places a call.

        Args:
            offer: SDP.
            model: a name of `models()`; None for the default.
            session: the Realtime API's session object, as far as the client gave one.

        Raises:
            ApiError: the offer, the model or the session object is refused, or there is no room.
        """
        try:
            return await self._create(offer, self._model(model), session)
        except ApiError as error:
            self.refused[error.code] += 1
            # Not the message: it quotes the client.
            _log.info("call refused", code=error.code, param=error.param)
            raise

    async def _create(self, offer: str, model: str, session: Mapping[str, Any]) -> Call:
        if self._draining:
            raise ApiError(503, "This transceiver is shutting down. Call again.", code="draining", retry=True)
        call = Call(self._hub, self._on_ended)
        try:
            opened = self._hub.create(offer, call, now=time.monotonic())
        except OfferError as error:
            raise ApiError(400, str(error), code="invalid_offer", param="sdp") from None
        except TooManySessions as error:
            raise ApiError(503, f"No capacity: {error}.", code="no_capacity", retry=True) from None
        call.open(opened)
        self._calls[call.id] = call
        try:
            await self._join(call, model, session)
        except BaseException:
            # Nobody will get the answer: also when the request ran out of time while we waited for a worker.
            call.end(CloseReason.REFUSED)
            raise
        _log.info("call placed", call=call.id, model=model)
        return call

    def _model(self, wanted: str | None) -> str:
        return wanted or self._default_model or next(iter(self._workers.models()), LOOPBACK)

    async def _join(self, call: Call, model: str, session: Mapping[str, Any]) -> None:
        if model == LOOPBACK:
            call.join(Loopback(call))
            return
        negotiated = call.session.negotiated
        side = WorkerSide(call, now=time.monotonic, playout_buffer_ms=self._playout_buffer_ms)
        audio_format = worker_format(negotiated.codec, negotiated.clock_rate)
        try:
            joined = await self._workers.open(
                model=model,
                call_id=call.id,
                input_format=audio_format,
                output_format=audio_format,
                config=session_config(session),
                listener=side,
            )
        except NoSuchModel:
            message = f"The model '{model}' does not exist here. Known models: {', '.join(self.models())}."
            raise ApiError(404, message, code="model_not_found", param="model") from None
        except NoCapacity as error:
            raise ApiError(503, f"No capacity: {error}", code="no_capacity", retry=True) from None
        except WorkerRejected as error:
            raise ApiError(400, str(error), code="rejected_by_worker", param="session") from None
        side.join(joined)
        call.join(side)
        if call.end_reason is not None:
            message = f"The call ended before it was answered ({call.end_reason}). Call again."
            raise ApiError(503, message, code="call_ended", retry=True)

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
        while self._calls:
            self._last_ended.clear()
            await self._last_ended.wait()

    def end_all(self, reason: CloseReason) -> None:
        """Ends every call."""
        for call in list(self._calls.values()):
            call.end(reason)

    def _on_ended(self, call: Call, _reason: CloseReason) -> None:
        self._calls.pop(call.id, None)
        if not self._calls:
            self._last_ended.set()
