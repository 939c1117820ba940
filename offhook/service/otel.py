"""Traces by way of OpenTelemetry. Spans leave in batches, from a thread; where too many wait they are dropped."""

import asyncio
import time
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, Tracer, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from offhook import __version__
from offhook.service.tracing import Attributes, Trace, TracingConfig

MAX_QUEUED: Final = 4096
"""Spans that wait to be sent; more are dropped (drop_newest)."""
SEND_WITHIN_S: Final = 5
"""One batch; then it is given up."""

_PROPAGATOR: Final = TraceContextTextMapPropagator()


class OtelTracing:
    """Implements `Tracing`."""

    def __init__(self, config: TracingConfig, *, role: str, name: str) -> None:
        resource = Resource.create(
            {
                "service.namespace": "offhook",
                "service.name": f"offhook-{role}",
                "service.instance.id": name,
                "service.version": __version__,
            }
        )
        self._provider = TracerProvider(
            resource=resource, sampler=ParentBased(TraceIdRatioBased(config.sample_ratio)), shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(
            endpoint=config.otlp_endpoint, insecure=config.otlp_endpoint.startswith("http:"), timeout=SEND_WITHIN_S
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=MAX_QUEUED, export_timeout_millis=SEND_WITHIN_S * 1000)
        )
        self._tracer = self._provider.get_tracer("offhook", __version__)

    def begin(self, name: str, begin: float, attributes: Attributes | None = None, *, parent: str = "") -> Trace:
        """See `Tracing`. A `parent` that is no traceparent begins a trace of its own."""
        context = _PROPAGATOR.extract({"traceparent": parent}) if parent else Context()
        return OtelTrace(self._tracer, name, begin, attributes, context)

    async def close(self) -> None:
        """See `Tracing`."""
        await asyncio.to_thread(self._provider.shutdown)


class OtelTrace:
    """Implements `Trace`. The clocks are compared once, so that its spans keep the order and length they had."""

    def __init__(
        self, tracer: Tracer, name: str, begin: float, attributes: Attributes | None, context: Context
    ) -> None:
        self._tracer = tracer
        self._monotonic_zero_ns = time.time_ns() - time.monotonic_ns()
        root = self._root = self._begin(name, begin, attributes, context)
        self._below = set_span_in_context(root, Context())
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, self._below)
        self.traceparent = carrier.get("traceparent", "")
        self.trace_id = format_trace_id(root.get_span_context().trace_id) if root.is_recording() else ""

    def span(self, name: str, begin: float, end: float, attributes: Attributes | None = None) -> None:
        """See `Trace`."""
        self._begin(name, begin, attributes, self._below).end(self._unix_ns(end))

    def end(self, now: float, attributes: Attributes | None = None) -> None:
        """See `Trace`."""
        self._root.set_attributes(_known(attributes))
        self._root.end(self._unix_ns(now))

    def _begin(self, name: str, begin: float, attributes: Attributes | None, context: Context) -> Span:
        return self._tracer.start_span(name, context, attributes=_known(attributes), start_time=self._unix_ns(begin))

    def _unix_ns(self, monotonic_s: float) -> int:
        return self._monotonic_zero_ns + int(monotonic_s * 1e9)


def _known(attributes: Attributes | None) -> dict[str, str | int | float | bool]:
    return {name: value for name, value in (attributes or {}).items() if value is not None}
