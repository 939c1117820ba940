"""A call that has lost its worker goes on with another, which is told the conversation so far."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
from offhook_proto.worker.v1 import worker_pb2

from transceiver.worker_link.counters import LostReason
from transceiver.worker_link.errors import OpenError
from transceiver.worker_link.session import WorkerSession

MAX_MOVES = 3
WITHIN_S = 60.0
"""A conversation that costs its worker again and again would otherwise go through the whole fleet."""

_OURS = frozenset({LostReason.LISTENER_FAILED, LostReason.STOPPED})
"""Losses that are no fault of the worker: another one would not help."""

_log = structlog.get_logger(__name__)


class Handover(NamedTuple):
    """A call as its next worker is to take it over."""

    lost: str
    """The worker that is not asked again."""
    config: worker_pb2.SessionConfig
    history: list[worker_pb2.HistoryItem]
    unplayed_ms: int
    """Output audio that waits to be played and takes the room of the next worker's."""


Reopen = Callable[[str], Awaitable[WorkerSession]]
"""Opens the call's session anew on a worker that is not the named one. Raises OpenError."""


class Succession:
    """Seeks the next worker of one call, as often as that may be.

    Args:
        reopen: asks a worker; it reads what the call is at that moment.
        found: called with the session that another worker has accepted.
        given_up: called when there is none.
        now: monotonic clock in seconds.
    """

    def __init__(
        self,
        reopen: Reopen,
        *,
        found: Callable[[WorkerSession], None],
        given_up: Callable[[], None],
        now: Callable[[], float],
    ) -> None:
        self._reopen = reopen
        self._found = found
        self._given_up = given_up
        self._now = now
        self._moved_at: deque[float] = deque(maxlen=MAX_MOVES)
        self._seeking: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def is_seeking(self) -> bool:
        """Whether a worker is being asked."""
        return self._seeking is not None

    def seek(self, lost: WorkerSession, reason: LostReason) -> None:
        """The call has lost its worker: `found` or `given_up` is called, the latter maybe at once."""
        if self._closed or reason in _OURS or not self._may_move():
            self._given_up()
            return
        self._seeking = asyncio.create_task(self._seek(lost), name=f"succession {lost.call_id}")

    def close(self) -> None:
        """The call is over: nothing is called any more."""
        self._closed = True
        if self._seeking is not None:
            self._seeking.cancel()

    def _may_move(self) -> bool:
        now = self._now()
        if len(self._moved_at) == MAX_MOVES and now - self._moved_at[0] < WITHIN_S:
            return False
        self._moved_at.append(now)
        return True

    async def _seek(self, lost: WorkerSession) -> None:
        began_at, session = self._now(), lost
        try:
            # One that accepts and is lost in the same breath has been no successor.
            while not session.is_open:
                session = await self._reopen(session.worker)
                if not session.is_open and not self._may_move():
                    break
        except OpenError as error:
            _log.info("no other worker takes the call", call=lost.call_id, why=str(error))
        self._seeking = None
        if self._closed:
            return
        if not session.is_open:
            self._given_up()
            return
        moved_ms = round((self._now() - began_at) * 1000)
        _log.info("call moved", call=lost.call_id, lost=lost.worker, worker=session.worker, asked_ms=moved_ms)
        self._found(session)
