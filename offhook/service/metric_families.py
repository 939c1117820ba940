"""Metric families built at scrape time from counters that the services keep anyway."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric


def gauge(name: str, text: str, value: float) -> Metric:
    """A value that goes up and down."""
    return GaugeMetricFamily(name, text, value=value)


def gauges_by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Values told apart by one label, of which there are few."""
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, level in values.items():
        family.add_metric([value], level)
    return family


def counter(name: str, text: str, value: float) -> Metric:
    """A total; Prometheus sees it as `name`_total."""
    return CounterMetricFamily(name, text, value=value)


def counters_by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Totals told apart by one label, whose values come from a fixed list, so that series are bounded."""
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def histograms_by(
    name: str, text: str, label: str, bounds: Sequence[float], values: Mapping[str, tuple[Sequence[int], float]]
) -> Metric:
    """Distributions told apart by one label: for each the counts per bucket, one more than `bounds`, and the sum."""
    family = HistogramMetricFamily(name, text, labels=[label])
    edges = [*map(str, bounds), "+Inf"]
    for value, (counts, total) in values.items():
        family.add_metric([value], list(zip(edges, accumulate(counts), strict=True)), sum_value=total)
    return family


def histogram(name: str, text: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> Metric:
    """A distribution: the counts per bucket, one more than `bounds`, and the sum."""
    edges = [*map(str, bounds), "+Inf"]
    buckets = list(zip(edges, accumulate(counts), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=total)
