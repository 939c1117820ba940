"""What a session may still use: the rate limits of the key that opened it, as OpenAI counts them."""

from dataclasses import dataclass
from typing import Final, Literal, Protocol


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit, as `rate_limits.updated` tells it.

    Attributes:
        name: what is counted.
        limit: so many per minute, and at once.
        remaining: so many may follow at once.
        reset_s: until all of them may.
    """

    name: Literal["requests", "tokens"]
    limit: int
    remaining: int
    reset_s: float


class Quota(Protocol):
    """What a key has left. All its sessions in this process share it, so it keeps its own clock."""

    def begin_response(self) -> str | None:
        """A response is to begin, and is counted; why it is refused, None if it is not."""

    def used(self, tokens: int) -> None:
        """A response has taken so many tokens, read and written."""

    def limits(self) -> list[RateLimit]:
        """What is left of each limit that there is."""


class _Unlimited:
    """Nobody counts."""

    def begin_response(self) -> str | None:
        """Never refuses."""
        return None

    def used(self, tokens: int) -> None:
        """Nothing comes of it."""

    def limits(self) -> list[RateLimit]:
        """There is none."""
        return []


UNLIMITED: Final[Quota] = _Unlimited()
