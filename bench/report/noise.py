"""Whether two measurements differ by more than chance. The same input always has the same answer.

Quantiles of one run each are compared by their order-statistic intervals: of n values, the one at quantile q has
between `nq - z·sqrt(nq(1-q))` and `nq + z·sqrt(nq(1-q))` values below it, whatever the distribution. If two quantiles
do not differ, their intervals at `z = z(alpha)/sqrt 2` are apart with probability alpha
(Goldstein and Healy, "The graphical presentation of a collection of means", 1995).

Whole distributions are compared by Mann and Whitney's test with the correction for ties, for histograms are all ties.

Several runs or rounds of each side are compared by a permutation test of the difference of their means, which needs no
assumption; it cannot be surer than one in the number of ways to deal the values out.
"""

import math
import random
from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

from bench.report.histograms import values

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

MOST_DEALS = 20_000
"""Of more ways to deal values out, so many are drawn."""


class Interval(NamedTuple):
    """Bounds of a quantile, as whole numbers of its histogram."""

    low: float
    high: float

    def apart_from(self, other: "Interval") -> bool:
        """They have no value in common."""
        return self.high < other.low or other.high < self.low


def quantile_interval(histogram: "HdrHistogram", share: float, *, independent: float, alpha: float) -> Interval:
    """Where a quantile may be.

    Args:
        histogram: of all values.
        share: the quantile, 0.99 for p99.
        independent: how many of the values count as independent of each other.
        alpha: of two such intervals that belong to one and the same distribution, so large a share are apart.
    """
    z = NormalDist().inv_cdf(1 - alpha / 2) / math.sqrt(2)
    reach = z * math.sqrt(share * (1 - share) / max(independent, 1.0))
    low, high = max(0.0, share - reach), min(1.0, share + reach)
    return Interval(histogram.get_value_at_percentile(100 * low), histogram.get_value_at_percentile(100 * high))


def enough_for(share: float, independent: float) -> bool:
    """There are values beyond the quantile: without any, an interval has no upper end."""
    return independent * (1 - share) >= 1.0


class MannWhitney(NamedTuple):
    """How two distributions lie to each other.

    Attributes:
        superiority: the chance that a value of the second is greater than one of the first, ties counting half.
        p: of a difference so great if there was none.
    """

    superiority: float
    p: float


def mann_whitney(first: "HdrHistogram", second: "HdrHistogram", independent: tuple[float, float]) -> MannWhitney:
    """The test of two histograms, of which so many values each are independent.

    Raises:
        ValueError: one of them is empty.
    """
    one, two = _shares(first), _shares(second)
    if not one or not two:
        raise ValueError("an empty histogram lies nowhere")
    n, m = independent
    below, superiority, ties = 0.0, 0.0, 0.0
    whole = n + m
    for value in sorted(one.keys() | two.keys()):
        here, there = one.get(value, 0.0), two.get(value, 0.0)
        superiority += there * (below + here / 2)
        below += here
        ties += ((n * here + m * there) / whole) ** 3
    spread = math.sqrt(max((1 - ties) * whole / (12 * n * m), 1e-300))
    return MannWhitney(superiority, 2 * (1 - NormalDist().cdf(abs(superiority - 0.5) / spread)))


def _shares(histogram: "HdrHistogram") -> dict[int, float]:
    total = histogram.get_total_count()
    return {value: count / total for value, count in values(histogram).items()}


def permutation_p(first: Sequence[float], second: Sequence[float], *, alpha: float) -> float | None:
    """The share of ways to deal all values out anew that differ as much or more.

    None if even the rarest deal is more frequent than `alpha`, so that nothing could be found: see `enough_values`.
    """
    dealt, size = [*first, *second], len(first)
    deals = math.comb(len(dealt), size)
    # Both tails are always there: one deal in each.
    if 2 / deals > alpha:
        return None
    total = sum(dealt)
    seen = abs(_difference(sum(first), size, total, len(dealt)))
    slack = 1e-9 * max(seen, 1.0)

    def as_much(dealings: Iterable[Sequence[float]]) -> int:
        return sum(abs(_difference(sum(each), size, total, len(dealt))) >= seen - slack for each in dealings)

    if deals <= MOST_DEALS:
        return as_much(combinations(dealt, size)) / deals
    chance = random.Random(0)
    # The one that was seen is one of them.
    return (1 + as_much(chance.sample(dealt, size) for _ in range(MOST_DEALS))) / (1 + MOST_DEALS)


def enough_values(alpha: float) -> int:
    """How many values of each side a permutation test needs at least to find anything: 4 at 0.05."""
    return next(count for count in range(1, 100) if 2 / math.comb(2 * count, count) <= alpha)


def _difference(part: float, size: int, total: float, count: int) -> float:
    return part / size - (total - part) / (count - size)


def shares_p(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Two shares, each as how many of how many independent ones: the chance of such a difference if there was none.

    Fisher's test for small counts is replaced by the normal one with half a count added to each cell, which errs on the
    side of noise.
    """
    (x, n), (y, m) = first, second
    a, b = (x + 0.5) / (n + 1), (y + 0.5) / (m + 1)
    spread = math.sqrt(a * (1 - a) / (n + 1) + b * (1 - b) / (m + 1))
    return 2 * (1 - NormalDist().cdf(abs(a - b) / spread)) if spread else 1.0
