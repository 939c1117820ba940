"""One Connect stream to one worker: sessions, liveness, drain. Sans-IO; `link.py` moves the bytes.

    hello sent ──WorkerHello──▶ ready ──Drain──▶ draining
        │                         │                 │
        └──────────── lost (LostReason) ◀───────────┘

A lost stream is final: the link opens another one.
"""

from collections.abc import Callable
from typing import TypeVar

import structlog
from offhook_proto.worker.v1 import worker_pb2

from transceiver.worker_link.counters import LinkCounters, LinkDrop, LostReason
from transceiver.worker_link.listener import WorkerSessionListener
from transceiver.worker_link.outbox import Outbox, Waker
from transceiver.worker_link.placement import fresh
from transceiver.worker_link.session import SessionLine, Verdict, WorkerSession
from transceiver.worker_link.settings import WorkerLinkSettings

PROTOCOL_MAJOR = 1
PROTOCOL_MINOR = 0

_LATE_TIMER_S = 0.25
"""A liveness timer this late means that this process itself stood still, and says nothing about the worker."""

MAX_USELESS = 50_000
USELESS_PER_S = 1_000.0
"""Outputs in vain that a worker may send: so many at once, and so many a second in the long run. A session that is
closed leaves at most its credit behind, a few hundred frames; a worker beyond this costs every call its time."""

_Told = TypeVar("_Told")

_log = structlog.get_logger(__name__)


class WorkerStream:
    """The transceiver's end of one stream.

    Args:
        waker: told when `take_request` should be called.
        on_change: called when readiness, capacity or load changed, or the stream was lost.
        now: when the stream was opened; as everywhere, seconds on a monotonic clock.
    """

    def __init__(
        self,
        settings: WorkerLinkSettings,
        counters: LinkCounters,
        *,
        waker: Waker,
        on_change: Callable[[], None],
        now: float,
    ) -> None:
        self.hello: worker_pb2.WorkerHello | None = None
        self.ping_round_trip_s = 0.0
        self._load = worker_pb2.LoadReport()
        self._load_at = self._greeted_at = now
        self._pinged_at = now
        self.is_draining = False
        self.is_serving = True
        self.lost: LostReason | None = None
        self._settings = settings
        self._counters = counters
        self._on_change = on_change
        self._outbox = Outbox(waker)
        self._sessions: dict[int, WorkerSession] = {}
        self._next_number = 1
        self._next_nonce = 1
        self._dead_at = now + settings.hello_timeout_s
        self._next_ping_at = now + settings.ping_interval_s
        self._useless = 0.0
        self._useless_since = now

    # -- what the link asks ------------------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether new sessions may be opened here."""
        return self.hello is not None and self.is_serving and not self.is_draining and self.lost is None

    @property
    def sessions(self) -> int:
        """Sessions of this transceiver here, those being opened included."""
        return len(self._sessions)

    @property
    def input_waiting_us(self) -> int:
        """Audio of all sessions that waits for credit."""
        return sum(session.input_waiting_us for session in self._sessions.values())

    @property
    def inputs_queued(self) -> int:
        """Inputs that wait for the stream to take them."""
        return len(self._outbox)

    def load(self, now: float) -> worker_pb2.LoadReport:
        """What is known of the worker's load now."""
        return fresh(self._load, now - self._load_at)

    def age_s(self, now: float) -> float:
        """How long ago the worker said hello."""
        return now - self._greeted_at

    def set_serving(self, *, serving: bool) -> None:
        """What the worker's health service says: while it does not serve, no session is opened; open ones go on."""
        if serving != self.is_serving:
            self.is_serving = serving
            self._on_change()

    def open(
        self,
        opening: worker_pb2.SessionOpen,
        listener: WorkerSessionListener,
        decided: Callable[[Verdict], None],
    ) -> WorkerSession:
        """Asks the worker to take a session; `decided` is called when it did or will not."""
        if self.hello is None:
            raise RuntimeError("open() before the worker's hello")
        number = self._next_number
        self._next_number += 1
        line = SessionLine(self.hello.worker, self._outbox, self._settings, self._counters, self._forget)
        session = WorkerSession(number, opening, listener, line=line, decided=decided)
        self._sessions[number] = session
        self._outbox.put(worker_pb2.SessionInput(session=number, open=opening), at_once=True)
        return session

    def take_request(self) -> worker_pb2.ConnectRequest | None:
        """The next message for the worker, or None when nothing waits."""
        if self._outbox.is_overfull:
            self.lose(LostReason.STALLED)
        request = None if self.lost else self._outbox.take()
        if request is not None:
            self._counters.messages_sent += 1
            self._counters.inputs_sent += len(request.inputs)
        return request

    # -- what happens ------------------------------------------------------------------------------------------------

    def receive(self, response: worker_pb2.ConnectResponse, now: float) -> None:
        """One message from the worker."""
        if self.lost is not None:
            return
        self._counters.messages_received += 1
        self._counters.outputs_received += len(response.outputs)
        if response.HasField("hello") and not self._receive_hello(response.hello, now):
            return
        self._dead_at = now + self._settings.ping_timeout_s
        if self.hello is None:
            _log.warning("worker_without_hello")
            self.lose(LostReason.PROTOCOL_ERROR)
            return
        for output in response.outputs:
            self._receive_output(output)
        if self._useless > MAX_USELESS and self._is_flooding(now):
            return
        if response.HasField("load"):
            self._load, self._load_at = response.load, now
        if response.HasField("pong"):
            self.ping_round_trip_s = now - self._pinged_at
        if response.HasField("drain"):
            self.is_draining = True
        if response.HasField("load") or response.HasField("drain") or response.HasField("hello"):
            self._on_change()

    def next_timeout(self) -> float:
        """When `handle_timeout` is due."""
        return min(self._next_ping_at, self._dead_at)

    def handle_timeout(self, now: float) -> None:
        """Sends a ping, or finds the worker dead."""
        lateness = now - self.next_timeout()
        if lateness > _LATE_TIMER_S:
            self._dead_at += lateness
        if now >= self._dead_at:
            self.lose(LostReason.PING_TIMEOUT)
        elif now >= self._next_ping_at:
            self._next_ping_at = now + self._settings.ping_interval_s
            if self.hello is not None:
                self._pinged_at = now
                self._outbox.put_ping(self._next_nonce)
                self._next_nonce += 1

    def lose(self, reason: LostReason) -> None:
        """The stream is over: every session hears it. Losing it twice is harmless."""
        if self.lost is not None:
            return
        self.lost = reason
        if self.hello is None:
            self._counters.connect_failures += 1
        else:
            self._counters.streams_lost[reason] += 1
        for session in list(self._sessions.values()):
            self._guard(session, session.lose, reason)
        self._on_change()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _receive_hello(self, hello: worker_pb2.WorkerHello, now: float) -> bool:
        if self.hello is not None or hello.protocol_major != PROTOCOL_MAJOR:
            _log.warning(
                "worker_hello_refused",
                worker=hello.worker,
                protocol_major=hello.protocol_major,
            )
            self.lose(LostReason.PROTOCOL_ERROR)
            return False
        self.hello = hello
        self._load.max_sessions = hello.max_sessions
        self._load_at = self._greeted_at = now
        self._counters.streams_opened += 1
        return True

    def _receive_output(self, output: worker_pb2.SessionOutput) -> None:
        session = self._sessions.get(output.session)
        if session is None:
            was_used = 0 < output.session < self._next_number
            self._counters.drops[LinkDrop.SESSION_CLOSED if was_used else LinkDrop.UNKNOWN_SESSION] += 1
            self._useless += 1
            return
        self._guard(session, session.receive, output)

    def _is_flooding(self, now: float) -> bool:
        """Forgets what time allows, and gives the stream up where that is not enough."""
        self._useless = max(0.0, self._useless - (now - self._useless_since) * USELESS_PER_S)
        self._useless_since = now
        if self._useless <= MAX_USELESS:
            return False
        _log.warning("worker_floods", worker=self.hello.worker if self.hello else "")
        self.lose(LostReason.FLOODED)
        return True

    def _guard(self, session: WorkerSession, deliver: Callable[[_Told], None], told: _Told) -> None:
        """A fault in one call's listener must not cost the other calls of this worker their stream."""
        try:
            deliver(told)
        except Exception:  # noqa: BLE001 - whatever a listener raises is logged and ends its own session only
            _log.exception("worker_listener_failed", call_id=session.call_id)
            session.abandon()

    def _forget(self, number: int) -> None:
        self._sessions.pop(number, None)
