"""Traces of calls: what they are made of, and the one that keeps none. OpenTelemetry is behind it (otel.py)."""

from collections.abc import Mapping
from typing import Final, Protocol

from pydantic import Field

from offhook.service.config import Config, ConfigError

EXTRA: Final = "offhook[tracing]"

Attributes = Mapping[str, str | int | float | bool | None]
"""Of a span; what is None is left out."""


class TracingConfig(Config):
    """Where traces go."""

    otlp_endpoint: str = Field(
        pattern=r"^https?://",
        description="URL of an OpenTelemetry collector's gRPC receiver: http://collector:4317, or https:// with TLS.",
    )
    sample_ratio: float = Field(1.0, ge=0, le=1, description="Share of the calls that are traced, drawn by chance.")


class Trace(Protocol):
    """One trace and its root span. Times are monotonic seconds. Nothing blocks or raises."""

    traceparent: str
    """For whoever continues it elsewhere (W3C Trace Context); empty where there is none."""
    trace_id: str
    """For logs, 32 hexadecimal digits; empty where it is not kept."""

    def span(self, name: str, begin: float, end: float, attributes: Attributes | None = None) -> None:
        """Notes what took from `begin` to `end`, below the root."""

    def end(self, now: float, attributes: Attributes | None = None) -> None:
        """The root is over. Called once; nothing follows."""


class Tracing(Protocol):
    """Makes the traces of one process."""

    def begin(self, name: str, begin: float, attributes: Attributes | None = None, *, parent: str = "") -> Trace:
        """A root span that begins, or continues the trace of `parent`, a traceparent."""

    async def close(self) -> None:
        """Sends what is left, for a few seconds at most."""


class _NoTrace:
    traceparent = ""
    trace_id = ""

    def span(self, name: str, begin: float, end: float, attributes: Attributes | None = None) -> None:
        """Nothing."""

    def end(self, now: float, attributes: Attributes | None = None) -> None:
        """Nothing."""


class _NoTracing:
    def begin(self, name: str, begin: float, attributes: Attributes | None = None, *, parent: str = "") -> Trace:
        """None is kept."""
        return NO_TRACE

    async def close(self) -> None:
        """Nothing."""


NO_TRACE: Final[Trace] = _NoTrace()
NO_TRACING: Final[Tracing] = _NoTracing()


def open_tracing(config: TracingConfig | None, *, role: str, name: str) -> Tracing:
    """Traces of this process, or none where none are configured.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """
    if config is None:
        return NO_TRACING
    try:
        # An extra: an installation that traces nothing has none of it.
        from offhook.service.otel import OtelTracing  # noqa: PLC0415 - as the line above says
    except ImportError as error:
        raise ConfigError(f"tracing: needs {EXTRA} ({error})") from error
    return OtelTracing(config, role=role, name=name)
