"""How long to wait before trying again."""

import random


class Backoff:
    """Doubling waits with full jitter upwards of half, so that many transceivers do not redial a worker in step."""

    def __init__(self, shortest_s: float, longest_s: float, rng: random.Random) -> None:
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._rng = rng
        self._ceiling_s = shortest_s

    def next_wait(self) -> float:
        """Seconds to wait now; the next wait is about twice as long."""
        wait = self._rng.uniform(self._ceiling_s / 2, self._ceiling_s)
        self._ceiling_s = min(self._ceiling_s * 2, self._longest_s)
        return wait

    def reset(self) -> None:
        """It worked: the next failure begins with the shortest wait."""
        self._ceiling_s = self._shortest_s
