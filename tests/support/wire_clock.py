"""A media port's schedule without the port: frames leave when they are due, in virtual time."""

from collections import deque

from transceiver.audio.interface import Playout
from transceiver.playout.pacer import PacedFrame


class WireClock:
    """Calls a playout when it wants to be called, and lets what it commits leave in time.

    Attributes:
        now: moved by `step` and `run`, or by a test.
        left: the frames that have left, each with the time when it did.
    """

    def __init__(self, playout: Playout, now: float) -> None:
        self.now = now
        self.left: list[tuple[float, PacedFrame]] = []
        self.begun: list[str] = []
        """The responses that began to be played, as the playout told."""
        self._playout = playout
        self._waiting: deque[PacedFrame] = deque()

    @property
    def next_at(self) -> float | None:
        """When there is next something to do."""
        times = [self._playout.next_commit(self.now), self._waiting[0].due if self._waiting else None]
        return min((when for when in times if when is not None), default=None)

    def step(self) -> None:
        """Does the next thing, whenever that is."""
        when = self.next_at
        assert when is not None
        self.now = max(self.now, when)
        self._waiting += self._playout.commit(self.now)
        self._leave()

    def take(self, frame: PacedFrame) -> None:
        """Lets a frame leave that was passed on."""
        self._waiting.append(frame)
        self._leave()

    def run(self, until: float) -> None:
        """Lets time pass."""
        while (when := self.next_at) is not None and when <= until:
            self.step()
        self.now = until

    def stall(self, seconds: float) -> None:
        """Lets time pass in which nobody calls the playout: only what is committed leaves."""
        until = self.now + seconds
        while self._waiting and self._waiting[0].due <= until:
            self.now = max(self.now, self._waiting[0].due)
            self._leave()
        self.now = until

    def take_back(self) -> int:
        """As before a flush."""
        count = len(self._waiting)
        self._waiting.clear()
        self.begun += self._playout.settle(count, self.now)
        return count

    def _leave(self) -> None:
        while self._waiting and self._waiting[0].due <= self.now:
            self.left.append((self.now, self._waiting.popleft()))
        self.begun += self._playout.settle(len(self._waiting), self.now)
