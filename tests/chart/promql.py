"""What PromQL expressions ask for, and whether scrapes hold it."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import promql_parser
from prometheus_client import Metric
from promql_parser import AggregateExpr, BinaryExpr, Expr, Matcher, MatchOp, VectorSelector

GIVEN_BY_PROMETHEUS = frozenset(
    {"namespace", "release", "pod", "job", "instance", "alertname", "alertstate", "severity"}
)
"""Labels that no process knows of itself: targets and alerts have them."""
GIVEN_METRICS = frozenset({"up", "ALERTS"})


class Asked(NamedTuple):
    """One selector of an expression: a metric's name and its matchers on labels."""

    metric: str
    matchers: Sequence[Matcher]


def selectors(expression: str) -> list[Asked]:
    """Every selector.

    Raises:
        ValueError: that is no PromQL.
    """
    found: list[Asked] = []

    def visit(node: Expr) -> None:
        if isinstance(node, VectorSelector):
            found.append(Asked(node.name or "", node.matchers.matchers))

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def labels_joined(expression: str) -> set[str]:
    """Every label that the expression groups or joins by."""
    labels: set[str] = set()

    def visit(node: Expr) -> None:
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            labels.update(node.modifier.labels)
        if isinstance(node, BinaryExpr) and node.modifier is not None and node.modifier.matching is not None:
            labels.update(node.modifier.matching.labels)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return labels


class Scraped:
    """All series of some scrapes: for each name of a sample, the values that each of its labels has."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.labels: dict[str, dict[str, set[str]]] = {}
        for family in families:
            for sample in family.samples:
                of_sample = self.labels.setdefault(sample.name, {})
                for name, value in sample.labels.items():
                    of_sample.setdefault(name, set()).add(value)

    def missing(self, expression: str, recorded: Mapping[str, Collection[str]]) -> Iterator[str]:
        """What the expression names that is not there, one sentence each.

        Args:
            recorded: the labels of what recording rules make, by name; it counts as there.
        """
        asked = selectors(expression)
        for metric, matchers in asked:
            if metric in GIVEN_METRICS or metric in recorded:
                continue
            if metric not in self.labels:
                yield f"no scrape has {metric}"
                continue
            for matcher in matchers:
                yield from self._unmatched(metric, matcher)
        of_metrics = {label for metric, _ in asked for label in self._labels(metric, recorded)}
        for label in labels_joined(expression) - of_metrics - GIVEN_BY_PROMETHEUS:
            yield f"{' and '.join(sorted({metric for metric, _ in asked}))}: no label {label}"

    def _labels(self, metric: str, recorded: Mapping[str, Collection[str]]) -> Collection[str]:
        return recorded[metric] if metric in recorded else self.labels.get(metric, ())

    def _unmatched(self, metric: str, matcher: Matcher) -> Iterator[str]:
        if matcher.name in GIVEN_BY_PROMETHEUS or "$" in matcher.value:
            return
        values = self.labels[metric].get(matcher.name)
        if values is None:
            yield f"{metric} has no label {matcher.name}"
            return
        # A pattern of this chart is a list of words; each of them has to be there, or it would stand for nothing.
        is_pattern = matcher.op in (MatchOp.Re, MatchOp.NotRe)
        for word in matcher.value.split("|") if is_pattern else [matcher.value]:
            if not any(re.fullmatch(word, value) if is_pattern else word == value for value in values):
                yield f'{metric}: {matcher.name} is never "{word}"'
