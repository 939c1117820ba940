"""Virtual time and a seeded network: the same datagrams are lost, delayed and duplicated in every run."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Conditions:
    """Of one direction. May be changed while a scene runs.

    Attributes:
        loss, duplication: probabilities.
        delay_s: one way.
        jitter_s: added to it, uniformly; more than the packets' spacing reorders them.
        down: nothing passes.
    """

    loss: float = 0.0
    duplication: float = 0.0
    delay_s: float = 0.01
    jitter_s: float = 0.0
    down: bool = False


class VirtualNetwork:
    """An agenda of deliveries and of moments at which somebody wants to be called."""

    def __init__(self, seed: int = 1) -> None:
        self.now = 1000.0
        self._random = random.Random(seed)
        # Sessions spread their reports at random; a run is repeatable only if that is seeded too.
        random.seed(seed)
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def carry(self, conditions: Conditions, deliver: Callable[[], None]) -> None:
        """Sends a datagram: `deliver` is called when it arrives, if it does."""
        copies = 2 if self._random.random() < conditions.duplication else 1
        for _ in range(copies):
            lost = self._random.random() < conditions.loss or conditions.down
            delay = conditions.delay_s + self._random.random() * conditions.jitter_s
            if not lost:
                self.call_at(self.now + delay, deliver)

    def call_at(self, when: float, action: Callable[[], None]) -> None:
        """Calls `action` once time has come to `when`."""
        self._count += 1
        heapq.heappush(self._agenda, (max(when, self.now), self._count, action))

    def next_time(self) -> float | None:
        """When the next thing happens."""
        return self._agenda[0][0] if self._agenda else None

    def step(self) -> None:
        """Lets the next thing happen."""
        self.now, _, action = heapq.heappop(self._agenda)
        action()
