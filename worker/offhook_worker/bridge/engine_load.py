"""How full an engine is, out of its own metrics. Sans-IO.

| | vLLM | SGLang | llama.cpp |
|---|---|---|---|
| running | vllm:num_requests_running | sglang:num_running_reqs | llamacpp:requests_processing |
| waiting | vllm:num_requests_waiting | sglang:num_queue_reqs | llamacpp:requests_deferred |
| KV cache | vllm:kv_cache_usage_perc (gpu_cache_…) | sglang:token_usage | llamacpp:kv_cache_usage_ratio, once |
| queue time | vllm:request_queue_time_seconds | sglang:queue_time_seconds | none |
| at once | its --max-num-seqs, not told | its --max-running-requests, not told | `total_slots` of GET /props |

https://docs.vllm.ai/en/stable/usage/metrics/
https://docs.sglang.io/references/production_metrics.html
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from offhook_worker.worker import Load

_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
_BOUND = re.compile(r'\ble="([^"]+)"')

_RUNNING = ("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing")
_WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred")
_KV_CACHE = (
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "sglang:token_usage",
    "llamacpp:kv_cache_usage_ratio",
)
_QUEUE_TIME = ("vllm:request_queue_time_seconds", "sglang:queue_time_seconds")

SETTLED = 3
"""Looks in a row with a queue until an engine counts as full, and without one until it does not any more."""


@dataclass(frozen=True, slots=True)
class EngineState:
    """What an engine tells at one moment.

    Attributes:
        running, waiting: requests, of all its clients.
        kv_cache: fraction of the KV cache in use; None: not told.
        queued: how many requests so far waited at most so many seconds; empty: not told.
    """

    running: float
    waiting: float
    kv_cache: float | None = None
    queued: Mapping[float, float] = field(default_factory=dict)


def read_state(exposition: str) -> EngineState | None:
    """The state in a Prometheus exposition; None where it is no engine's that we know.

    Several series of one name are several engines behind one address (data parallel ranks): their requests add up, and
    the fullest cache counts.
    """
    values: dict[str, list[float]] = {}
    queued: dict[float, float] = {}
    for name, labels, value in _samples(exposition):
        if name.removesuffix("_bucket") in _QUEUE_TIME and (bound := _BOUND.search(labels)) is not None:
            limit = _number(bound[1])
            if limit is not None:
                queued[limit] = queued.get(limit, 0.0) + value
        else:
            values.setdefault(name, []).append(value)
    running, waiting, kv_cache = (_first(values, names) for names in (_RUNNING, _WAITING, _KV_CACHE))
    if running is None or waiting is None:
        return None
    return EngineState(sum(running), sum(waiting), max(kv_cache) if kv_cache else None, queued)


class EngineGauge:
    """Follows one engine from state to state.

    Args:
        slots: requests that it runs at once; 0: unknown.
    """

    def __init__(self, slots: int = 0) -> None:
        self.slots = slots
        self._state: EngineState | None = None
        self._queue_delay_ms = 0.0
        self._pressure = 0
        self._is_full = False

    def update(self, state: EngineState | None) -> None:
        """A new state, or none where it could not be had."""
        before, self._state = self._state, state
        has_queue = state is not None and state.waiting >= 1
        self._pressure = min(SETTLED, self._pressure + 1) if has_queue else max(0, self._pressure - 1)
        if self._pressure in {0, SETTLED}:
            self._is_full = self._pressure == SETTLED
        if state is None:
            self._queue_delay_ms = 0.0
        elif state.queued and before is not None:
            self._queue_delay_ms = _p95_s(before.queued, state.queued) * 1000

    def load(self, own_requests: int, own_limit: int) -> Load:
        """Its load.

        Requests that wait mean that nothing is left, whatever resource it is that ran out; where some wait again
        and again, no more calls should come. An engine that tells nothing is as full as this bridge's own
        connections to it are.
        """
        state = self._state
        if state is None:
            return Load(utilization=min(1.0, own_requests / own_limit))
        if state.waiting >= 1:
            return Load(utilization=1.0, queue_delay_ms=self._queue_delay_ms, is_full=self._is_full)
        by_slots = state.running / self.slots if self.slots else 0.0
        return Load(
            utilization=min(1.0, max(by_slots, state.kv_cache or 0.0, own_requests / own_limit)),
            queue_delay_ms=self._queue_delay_ms,
            is_full=self._is_full,
        )


def _samples(exposition: str) -> Iterator[tuple[str, str, float]]:
    for line in exposition.splitlines():
        match = _SAMPLE.match(line)
        if match is not None and (value := _number(match[3])) is not None:
            yield match[1], match[2] or "", value


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _first(values: Mapping[str, list[float]], names: tuple[str, ...]) -> list[float] | None:
    return next((values[name] for name in names if name in values), None)


def _p95_s(before: Mapping[float, float], after: Mapping[float, float]) -> float:
    """How long 95 % of those queued in between waited: their bucket's lower bound, lest an idle engine look slow."""
    counts = {bound: after[bound] - before.get(bound, 0.0) for bound in sorted(after)}
    total = max(counts.values(), default=0.0)
    lower = 0.0
    for bound, count in counts.items():
        if total > 0 and count >= 0.95 * total:
            return lower
        lower = bound
    return 0.0
