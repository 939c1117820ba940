"""What the answers of a key's sessions may take: each is a request, and its tokens count where they are limited."""

from typing import Literal

from transceiver.realtime.quota import RateLimit
from transceiver.signalling.access.rate_limit import Allowance, RateLimits, sentence


class KeyQuota:
    """Implements Quota for the sessions of one key.

    Args:
        limits: the buckets of all keys.
        key_id: whose requests count.
        per_minute: how many requests it may make.
        api_key_id: whose tokens count: the key itself, or the one that minted it.
        tokens_per_minute: how many tokens may be taken; None: as many as come.
    """

    def __init__(
        self, limits: RateLimits, key_id: str, per_minute: int, *, api_key_id: str, tokens_per_minute: int | None
    ) -> None:
        self._limits = limits
        self._key_id = key_id
        self._per_minute = per_minute
        self._tokens_of = f"tokens of {api_key_id}"
        self._tokens_per_minute = tokens_per_minute

    def begin_response(self) -> str | None:
        """See `Quota`. Tokens are counted when they have been used, so a response begins while any are left."""
        if self._tokens_per_minute is not None:
            tokens = self._limits.look(self._tokens_of, self._tokens_per_minute)
            if tokens.wait_s:
                return sentence("tokens", tokens)
        requests = self._limits.take(self._key_id, self._per_minute)
        return sentence("requests", requests) if requests.wait_s else None

    def used(self, tokens: int) -> None:
        """See `Quota`."""
        if self._tokens_per_minute is not None:
            self._limits.spend(self._tokens_of, self._tokens_per_minute, tokens)

    def limits(self) -> list[RateLimit]:
        """See `Quota`."""
        left = [_told("requests", self._limits.look(self._key_id, self._per_minute))]
        if self._tokens_per_minute is not None:
            left.append(_told("tokens", self._limits.look(self._tokens_of, self._tokens_per_minute)))
        return left


def _told(name: Literal["requests", "tokens"], allowance: Allowance) -> RateLimit:
    return RateLimit(name, allowance.limit, allowance.remaining, allowance.reset_s)
