"""close_notify said more than once, since one datagram on an unreliable network is one that may be lost. Sans-IO.

A client that misses it goes on talking to nobody until its own consent checks fail, which takes browsers 15 to 30 s. So
the path of a session that has ended stays open a while, relays included, and its last datagrams go out on it again: the
very same ones, which a client that has them drops as replays. Nothing that comes in meanwhile is listened to.
"""

import heapq
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from transceiver.media_port.interface import Path

GAPS_S: Final = (0.1, 0.2, 0.4, 0.8)
"""Between one time and the next; after the last gap the path is given up, by when even the last copy has passed."""
MAX_FAREWELLS: Final = 1024
"""At once; more than that many hang-ups in 1.5 s, and the earliest of them are cut short."""


class _Farewell(NamedTuple):
    path: Path
    datagrams: Sequence[bytes]
    said_again: int


class Farewells:
    """The farewells of all sessions of one hub.

    Args:
        send: sends a datagram on a path.
        over: told that a farewell is over, by session id and path, which is its own no more.
    """

    def __init__(self, send: Callable[[Path, bytes], None], over: Callable[[int, Path], None]) -> None:
        self._send = send
        self._over = over
        self._farewells: dict[int, _Farewell] = {}
        self._by_path: dict[Path, int] = {}
        self._due: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._farewells)

    def begin(self, session_id: int, path: Path, datagrams: Sequence[bytes], now: float) -> float:
        """`datagrams` have been sent on `path` for the first time, and it belongs to no other session.

        Returns when they are due again.
        """
        if len(self._farewells) >= MAX_FAREWELLS:
            self._end(next(iter(self._farewells)))
        self._farewells[session_id] = _Farewell(path, datagrams, 0)
        self._by_path[path] = session_id
        due = now + GAPS_S[0]
        heapq.heappush(self._due, (due, session_id))
        return due

    def give_way(self, path: Path) -> None:
        """Another session has proved that `path` is its own."""
        session_id = self._by_path.get(path)
        if session_id is not None:
            self._end(session_id)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due; possibly too early."""
        return self._due[0][0] if self._due else None

    def handle_timeout(self, now: float) -> None:
        """Says what is to be said again, and ends what has been said often enough."""
        while self._due and self._due[0][0] <= now:
            _, session_id = heapq.heappop(self._due)
            farewell = self._farewells.get(session_id)
            if farewell is None:
                continue
            said_again = farewell.said_again + 1
            if said_again == len(GAPS_S):
                self._end(session_id)
                continue
            for datagram in farewell.datagrams:
                self._send(farewell.path, datagram)
            self._farewells[session_id] = farewell._replace(said_again=said_again)
            heapq.heappush(self._due, (now + GAPS_S[said_again], session_id))

    def _end(self, session_id: int) -> None:
        path = self._farewells.pop(session_id).path
        del self._by_path[path]
        self._over(session_id, path)
