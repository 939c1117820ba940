"""RTP packets that wait for their time, in the `python` media port. Sans-IO. The native one is in `datapath/src/media`.

Each session has a row of packets in order of time, all on the path it was given last. What has not left can be taken
back, and as times never go back within a row, that is always its tail.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from transceiver.media_port.interface import MAX_SCHEDULED, Path

MAX_SCHEDULED_IN_ALL: Final = 1 << 16
"""Packets of all sessions that wait, at most; the next is dropped."""


class DuePacket(NamedTuple):
    """A packet whose time has come."""

    session_id: int
    path: Path
    packet: bytes


@dataclass(slots=True)
class _Row:
    path: Path
    packets: deque[tuple[float, bytes]] = field(default_factory=deque)
    armed: float | None = None
    """The time of this row's entry among the timers. It may be early, never late."""


class RtpSchedule:
    """See the module. Times are seconds on any one clock."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._timers: list[tuple[float, int]] = []
        self._waiting_in_all = 0

    def push(self, session_id: int, path: Path, packet: bytes, due: float) -> bool:
        """Puts a packet behind those of its session, which all go on `path` from now on; False if there is no room.

        One that is due before the last of them leaves with it.
        """
        row = self._rows.get(session_id)
        if row is None:
            row = self._rows[session_id] = _Row(path)
        row.path = path
        if len(row.packets) >= MAX_SCHEDULED or self._waiting_in_all >= MAX_SCHEDULED_IN_ALL:
            return False
        if row.packets:
            due = max(due, row.packets[-1][0])
        row.packets.append((due, packet))
        self._waiting_in_all += 1
        self._arm(session_id, row)
        return True

    def reroute(self, session_id: int, path: Path) -> None:
        """Sends what waits of a session on another path."""
        row = self._rows.get(session_id)
        if row is not None:
            row.path = path

    def waiting(self, session_id: int) -> int:
        """How many packets of a session wait."""
        row = self._rows.get(session_id)
        return len(row.packets) if row is not None else 0

    def take_back(self, session_id: int) -> int:
        """Forgets what waits of a session; returns how many packets that were."""
        row = self._rows.get(session_id)
        if row is None:
            return 0
        count = len(row.packets)
        row.packets.clear()
        self._waiting_in_all -= count
        return count

    def forget(self, session_id: int) -> None:
        """The session is over."""
        self.take_back(session_id)
        self._rows.pop(session_id, None)

    def next_due(self) -> float | None:
        """When `pop` may have something to give; None while it cannot."""
        return self._timers[0][0] if self._timers else None

    def pop(self, now: float) -> DuePacket | None:
        """The next packet that is due."""
        while self._timers and self._timers[0][0] <= now:
            when, session_id = heapq.heappop(self._timers)
            row = self._rows.get(session_id)
            if row is None or row.armed != when:
                continue
            row.armed = None
            if not row.packets:
                continue
            due, packet = row.packets[0]
            if due > now:
                # The one that the timer was for has been taken back.
                self._arm(session_id, row)
                continue
            row.packets.popleft()
            self._waiting_in_all -= 1
            self._arm(session_id, row)
            return DuePacket(session_id, row.path, packet)
        return None

    def _arm(self, session_id: int, row: _Row) -> None:
        if not row.packets:
            return
        when = row.packets[0][0]
        if row.armed is None or when < row.armed:
            row.armed = when
            heapq.heappush(self._timers, (when, session_id))
