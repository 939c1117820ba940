"""Which checks are worth an HMAC, and which may make a flow: what bounds the cost of a flood. Sans-IO.

    check ─▶ five-tuple proven? ── yes ─▶ reserve of the proven ─┬─▶ integrity ─▶ right ─▶ new? ─▶ new flows' budget
                   └── no ─▶ budget of the unproven ─────────────┘        └─▶ wrong: its source is charged

Nobody is refused for a neighbour's failures while there is budget, as one address may be a thousand phones. What a
source loses by failing is its turn: a *suspect* is served only while more than half of a budget is left, so a flood
from there takes the upper half, and everyone else finds the lower half untouched.

Memory is fixed: suspects are held in buckets that a keyed hash chooses, so nobody can aim at another's bucket. Two
that share one share its debt, and so at worst their turn. Only checks whose HMAC was computed are charged, so however
many packets come, at most `unproven_checks_per_s / suspect_checks_per_s` buckets are kept in debt: 2,000 of 65,536.
"""

import secrets
from array import array
from hashlib import blake2b
from typing import Final

from relay.engine.interface import Budgets, FlowKey
from relay.engine.limits import AdmissionLimits
from relay.engine.source import SourcePrefix
from wire.drop import DropReason
from wire.spp import encode_header

CHECK_BURST_S: Final = 1.0
NEW_FLOW_BURST_S: Final = 5.0
SUSPICION_BURST_S: Final = 10.0
SUSPECT_BUCKETS: Final = 65_536
KEPT_FROM_SUSPECTS: Final = 0.5


class Budget:
    """A token bucket, full at first.

    Args:
        per_s: tokens that come back per second.
        burst_s: it holds so many seconds' worth, and one token at least.
    """

    def __init__(self, per_s: float, burst_s: float) -> None:
        self._per_s = per_s
        self._capacity = max(per_s * burst_s, 1.0)
        self._tokens = self._capacity
        self._filled_at = 0.0

    def take(self, now: float, keep: float = 0.0) -> bool:
        """Takes a token; False if less than the share `keep` of all would be left."""
        self._fill(now)
        if self._tokens - 1.0 < keep * self._capacity:
            return False
        self._tokens -= 1.0
        return True

    def left(self, now: float) -> float:
        """The share that is left, 0 to 1."""
        self._fill(now)
        return self._tokens / self._capacity

    def _fill(self, now: float) -> None:
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._per_s)
        self._filled_at = now


class Suspects:
    """A leaky bucket for each of very many senders, in fixed memory. A bucket is the time when its debt is settled."""

    def __init__(self, per_s: float) -> None:
        self._cost_s = 1.0 / per_s
        self._key = secrets.token_bytes(16)
        self._settled_at = array("d", bytes(8 * SUSPECT_BUCKETS))

    def charge(self, sender: bytes, now: float) -> None:
        """One more of what makes suspect."""
        at = self._bucket(sender)
        debt_s = max(self._settled_at[at] - now, 0.0) + self._cost_s
        self._settled_at[at] = now + min(debt_s, SUSPICION_BURST_S)

    def has(self, sender: bytes, now: float) -> bool:
        """Whether the sender is over its rate."""
        return self._settled_at[self._bucket(sender)] - now > SUSPICION_BURST_S - self._cost_s

    def _bucket(self, sender: bytes) -> int:
        digest = blake2b(sender, digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "little") % SUSPECT_BUCKETS


class Admission:
    """See the module's docstring. `now` is monotonic seconds."""

    def __init__(self, limits: AdmissionLimits, source: SourcePrefix) -> None:
        self._source = source
        self._unproven = Budget(limits.unproven_checks_per_s, CHECK_BURST_S)
        self._proven = Budget(limits.proven_checks_per_s, CHECK_BURST_S)
        self._new_flows = Budget(limits.new_flows_per_s, NEW_FLOW_BURST_S)
        self._suspects = Suspects(limits.suspect_checks_per_s)

    def refuse_check(self, key: FlowKey, now: float, *, proven: bool) -> DropReason | None:
        """Why a check's integrity is not worth computing now; None if it is."""
        sender, budget = (_five_tuple(key), self._proven) if proven else (self._source.of(key.client), self._unproven)
        suspect = self._suspects.has(sender, now)
        if not budget.take(now, KEPT_FROM_SUSPECTS if suspect else 0.0):
            return DropReason.RATE_LIMITED if suspect else DropReason.CHECK_BUDGET
        if proven:
            # Right or wrong: a client needs few, and whoever sends many on one five-tuple harms the other calls.
            self._suspects.charge(sender, now)
        return None

    def check_failed(self, key: FlowKey, now: float, *, proven: bool) -> None:
        """The integrity was computed and is wrong."""
        if not proven:
            self._suspects.charge(self._source.of(key.client), now)

    def refuse_flow(self, now: float) -> DropReason | None:
        """Why a verified check may not make a flow now; None if it may."""
        return None if self._new_flows.take(now) else DropReason.NEW_FLOW_BUDGET

    def budgets(self, now: float) -> Budgets:
        """What is left."""
        return Budgets(self._unproven.left(now), self._proven.left(now), self._new_flows.left(now))


def _five_tuple(key: FlowKey) -> bytes:
    return encode_header(key.client, key.proxy)
