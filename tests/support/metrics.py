"""Reads a process's Prometheus metrics."""

import urllib.request
from typing import Any

from prometheus_client.parser import text_string_to_metric_families


def read_metrics(process: dict[str, Any]) -> dict[str, float]:
    """Every sample by its name, labels in braces as Prometheus writes them: `name_total{reason="x"}`."""
    with urllib.request.urlopen(process["metrics"], timeout=10) as response:
        text = response.read().decode()
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


def total(processes: list[dict[str, Any]], sample: str) -> float:
    """Sum of one sample over processes."""
    return sum(read_metrics(process)[sample] for process in processes)
