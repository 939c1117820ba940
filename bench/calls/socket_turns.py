"""What a caller on a WebSocket does who talks with somebody. No I/O; times are seconds on the run's timeline.

As `bench/caller/src/turns.rs`, but answers come faster than they are heard: an answer lasts as long as its audio.
"""

import enum
from typing import Final

THINKS_S: Final = 1.0
INTERRUPTS_AFTER_S: Final = 1.0
GIVES_UP_AFTER_S: Final = 10.0


class Does(enum.Enum):
    """What the caller does now."""

    SPEAK = enum.auto()
    NOTHING = enum.auto()


class Turns:
    """See the module.

    Attributes:
        gave_up: no answer came.
    """

    def __init__(self, *, interrupts: bool) -> None:
        self._interrupts = interrupts
        self._speaks_at_s: float | None = None
        self._spoken_at_s: float | None = None
        self._answer: tuple[float, float] | None = None
        self._interrupts_since_s: float | None = None
        self.gave_up = False

    def tick(self, now_s: float) -> Does:
        """Time has passed."""
        if self._answer is not None:
            begun_s, ends_s = self._answer
            interrupting = self._interrupts and begun_s + INTERRUPTS_AFTER_S <= now_s < ends_s
            if interrupting:
                self._interrupts_since_s = now_s
            return Does.SPEAK if interrupting or now_s >= ends_s + THINKS_S else Does.NOTHING
        if self._spoken_at_s is not None:
            self.gave_up = now_s >= self._spoken_at_s + GIVES_UP_AFTER_S
            return Does.NOTHING
        if self._speaks_at_s is None:
            self._speaks_at_s = now_s + THINKS_S
        return Does.SPEAK if now_s >= self._speaks_at_s else Does.NOTHING

    def speaks(self, begins_s: float, ends_s: float) -> None:
        """The sentence begins and ends then."""
        assert begins_s < ends_s
        self._spoken_at_s, self._answer = ends_s, None

    def hears(self, at_s: float, lasts_s: float) -> float | None:
        """Audio came. Returns how long after the end of the sentence, if it is the first of its answer."""
        if self._answer is not None:
            begun_s, ends_s = self._answer
            self._answer = (begun_s, max(ends_s, at_s) + lasts_s)
            return None
        if self._spoken_at_s is None or at_s < self._spoken_at_s:
            return None
        after_s = at_s - self._spoken_at_s
        self._answer, self._spoken_at_s = (at_s, at_s + lasts_s), None
        return after_s

    def is_heard(self, at_s: float) -> float | None:
        """The other side says that it hears speech. Returns how long after the first word, if that interrupted it."""
        since_s, self._interrupts_since_s = self._interrupts_since_s, None
        return at_s - since_s if since_s is not None else None
