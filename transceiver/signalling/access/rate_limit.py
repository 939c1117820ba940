"""How many requests a key may make: a token bucket each, told in the headers that OpenAI's clients read."""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from transceiver.signalling.errors import ApiError

MAX_BUCKETS: Final = 10_000
"""Keys that are remembered; the one that has asked nothing for longest is forgotten for another."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a key has left after a request.

    Attributes:
        limit: requests per minute, and at once.
        remaining: requests that may follow at once.
        reset_s: until all of them may.
        wait_s: how long it should have waited; 0: it has one.
    """

    limit: int
    remaining: int
    reset_s: float
    wait_s: float

    def headers(self) -> dict[str, str]:
        """As OpenAI's API tells it."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": f"{self.reset_s:.3f}s",
        }


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimits:
    """The buckets of all keys of this process.

    Args:
        now: monotonic clock in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key_id: str, per_minute: int) -> Allowance:
        """One request of a key, if it has one left."""
        bucket = self._bucket(key_id, per_minute)
        wait_s = _wait_s(bucket, per_minute)
        if not wait_s:
            bucket.tokens -= 1
        return _allowance(bucket, per_minute, wait_s)

    def look(self, key_id: str, per_minute: int) -> Allowance:
        """What a key has left; nothing is taken."""
        bucket = self._bucket(key_id, per_minute)
        return _allowance(bucket, per_minute, _wait_s(bucket, per_minute))

    def spend(self, key_id: str, per_minute: int, count: int) -> None:
        """A key has used so many, left or not: what it had not is owed."""
        self._bucket(key_id, per_minute).tokens -= count

    def _bucket(self, key_id: str, per_minute: int) -> _Bucket:
        now = self._now()
        bucket = self._buckets.pop(key_id, None) or _Bucket(per_minute, now)
        bucket.tokens = min(per_minute, bucket.tokens + (now - bucket.filled_at) * per_minute / 60)
        bucket.filled_at = now
        self._buckets[key_id] = bucket
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return bucket


def _wait_s(bucket: _Bucket, per_minute: int) -> float:
    return max(0.0, (1 - bucket.tokens) * 60 / per_minute)


def _allowance(bucket: _Bucket, per_minute: int, wait_s: float) -> Allowance:
    remaining = max(0, int(bucket.tokens))
    return Allowance(per_minute, remaining, (per_minute - bucket.tokens) * 60 / per_minute, wait_s)


def sentence(what: str, allowance: Allowance) -> str:
    """Why there is no more, in OpenAI's words."""
    return f"Rate limit reached for {what}: Limit {allowance.limit} / min. Please try again in {allowance.wait_s:.3f}s."


def refuse(allowance: Allowance) -> None:
    """Refuses a request for which its key had nothing left.

    Raises:
        ApiError: 429, with when to come again.
    """
    if allowance.wait_s:
        message = sentence("requests", allowance)
        retry_after_s = math.ceil(allowance.wait_s)
        raise ApiError(429, message, code="rate_limit_exceeded", retry=True, retry_after_s=retry_after_s)
