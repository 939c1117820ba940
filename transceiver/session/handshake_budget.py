"""How much of the loop's time DTLS handshakes may take, over all sessions of a process.

A step (a datagram of a handshake, or its first flight) costs 0.03 to 0.3 ms of the loop that also carries media. So
steps are spaced: a burst is done at once, what comes faster waits for its turn, and what would wait too long is refused
and left to the retransmission of its sender. Nobody else's audio waits longer than the burst takes.

The schedule is the virtual one of a leaky bucket (GCRA, ITU-T I.371 annex A): one number, the time of the next free
turn.
"""

from typing import Final

STEPS_PER_SECOND: Final = 1000
"""300 calls a second, for at most a third of a core."""
BURST_STEPS: Final = 32
"""At worst 10 ms, half a frame."""
MAX_WAIT_S: Final = 1.0
"""By then the sender has sent it again."""


class HandshakeBudget:
    """Hands out turns. All sessions of a hub share one."""

    def __init__(self) -> None:
        self._interval = 1 / STEPS_PER_SECOND
        self._allowance = (BURST_STEPS - 1) * self._interval
        self._next_turn = float("-inf")

    def reserve(self, now: float) -> float | None:
        """When the next step may be done, `now` or later; None if that is too far away. The turn is taken."""
        turn = max(self._next_turn, now - self._allowance)
        if turn - now > MAX_WAIT_S:
            return None
        self._next_turn = turn + self._interval
        return max(turn, now)
