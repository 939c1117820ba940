"""What a transceiver says of itself: the figures of its metrics that a benchmark wants."""

import urllib.request
from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

LAG = "fabric_transceiver_loop_lag_seconds_bucket"


class Scrape(NamedTuple):
    """Samples without labels by name, drops by reason, and loop lag: how many delays were no longer than each bound."""

    values: Mapping[str, float]
    drops: Mapping[str, float]
    lag: Mapping[float, float]


def scrape(url: str) -> Scrape:
    """Reads the metrics.

    Raises:
        OSError: nobody answers.
    """
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an address of our own process
        text = answer.read().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return Scrape(
        values={sample.name: sample.value for sample in samples if not sample.labels},
        drops={
            sample.labels["reason"]: sample.value
            for sample in samples
            if sample.name.endswith("transceiver_drops_total")
        },
        lag={float(sample.labels["le"]): sample.value for sample in samples if sample.name == LAG},
    )


def lag_quantile_ms(before: Scrape, after: Scrape, share: float) -> float | None:
    """An upper bound of a quantile of loop lag between two scrapes: the bound of the bucket that it falls in.

    None if the loop was not watched in between; infinity if it fell beyond the last bound.
    """
    counts = {bound: after.lag[bound] - before.lag.get(bound, 0.0) for bound in sorted(after.lag)}
    total = max(counts.values(), default=0.0)
    if not total:
        return None
    return next(bound for bound, count in counts.items() if count >= share * total) * 1000


def dropped_between(before: Scrape, after: Scrape) -> dict[str, int]:
    """Drops by reason, those that there were."""
    counts = {reason: int(count - before.drops.get(reason, 0.0)) for reason, count in after.drops.items()}
    return {reason: count for reason, count in counts.items() if count}
