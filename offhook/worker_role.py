"""`offhook worker`: a reference worker with the fabric's configuration, logs and admin endpoints around it."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, Self

import structlog
from offhook_worker import InputDrop, ServeOptions, Session, TlsFiles, VoiceWorker
from offhook_worker.bridge.settings import CascadeSettings, InvalidSettings, RealtimeServer
from offhook_worker.counters import STAGE_BOUNDS_S
from offhook_worker.echo import EchoWorker
from offhook_worker.pcm_echo import PcmEchoWorker
from offhook_worker.server import WorkerServer
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from pydantic import Field, field_validator, model_validator

from offhook.models.store import models_directory
from offhook.service.admin import AdminServer
from offhook.service.config import Config, ConfigError
from offhook.service.lifecycle import run_service, write_ready_file
from offhook.service.logs import configure_logging
from offhook.service.metric_families import counter, counters_by, gauge, histograms_by
from offhook.service.tracing import Attributes, Tracing, TracingConfig, open_tracing
from wire.address import format_address, parse_address

_log = structlog.get_logger(__name__)

AGENT_EXTRA = "offhook-worker[agent]"
BRIDGE_EXTRA = "offhook-worker[bridge]"


class WorkerConfig(Config):
    """Configuration of one worker process."""

    name: str = Field(description="Stable name for logs and metrics, such as the pod's name.")
    worker: Literal["echo", "pcm-echo", "agent", "bridge-cascade", "bridge-realtime"] = Field(
        description="Which reference worker to run, or a bridge to an engine."
    )
    cascade: CascadeSettings | None = Field(None, description="Of bridge-cascade: its servers (docs/bridges.md).")
    realtime: RealtimeServer | None = Field(None, description="Of bridge-realtime: its server (docs/bridges.md).")
    listen: str = Field(description='Where transceivers dial (gRPC): "ip:port" or "unix:/path".')
    admin_listen: str = Field(description="ip:port of /livez, /readyz and /metrics.")
    tracing: TracingConfig | None = Field(None, description="Where traces of sessions go; unset: none are kept.")
    models_dir: Path | None = Field(
        None, description="Where the agent's model files are; none: where `offhook models fetch` puts them."
    )
    agent_threads: int = Field(1, gt=0, le=64, description="Of the agent: threads that hear, and as many that speak.")
    max_sessions: int = Field(256, gt=0, description="Calls taken at once, all transceivers together.")
    drain_s: float = Field(30.0, ge=0, description="After SIGTERM: how long open calls may go on.")
    tls_certificate_file: Path | None = Field(
        None, description="Certificate of the gRPC port (PEM), read again when it changes; none: in the clear."
    )
    tls_key_file: Path | None = Field(None, description="Its private key (PEM).")
    tls_client_ca_file: Path | None = Field(
        None, description="Only transceivers with a certificate of this authority (PEM) may connect; none: any."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged.")
    log_format: Literal["console", "json"] = Field("console", description="Shape of log lines on standard error.")

    @field_validator("admin_listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parse_address(value)
        return value

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file: set both or neither")
        if self.tls_client_ca_file is not None and self.tls_certificate_file is None:
            raise ValueError("tls_client_ca_file: needs tls_certificate_file and tls_key_file")
        return self

    @model_validator(mode="after")
    def _bridge_has_servers(self) -> Self:
        for bridge, settings in (("cascade", self.cascade), ("realtime", self.realtime)):
            if (self.worker == f"bridge-{bridge}") != (settings is not None):
                raise ValueError(f"{bridge}: goes with worker: bridge-{bridge}")
        return self

    @property
    def tls(self) -> TlsFiles | None:
        """The files, where the port is to speak TLS."""
        if self.tls_certificate_file is None or self.tls_key_file is None:
            return None
        return TlsFiles(self.tls_certificate_file, self.tls_key_file, self.tls_client_ca_file)


def run(config: WorkerConfig, ready_file: Path | None) -> int:
    """Runs the worker until it is told to stop. Returns the exit code."""
    configure_logging(config.log_level, config.log_format, role="worker", name=config.name)
    return run_service(lambda stop: _serve(config, stop, ready_file))


async def _serve(config: WorkerConfig, stop: asyncio.Event, ready_file: Path | None) -> None:
    tracing = open_tracing(config.tracing, role="worker", name=config.name)
    options = ServeOptions(
        name=config.name,
        max_sessions=config.max_sessions,
        drain_s=config.drain_s,
        tls=config.tls,
        around_session=partial(_traced, tracing),
    )
    server = WorkerServer(_make_worker(config), config.listen, options)
    registry = CollectorRegistry()
    registry.register(WorkerCollector(server))
    admin = AdminServer(parse_address(config.admin_listen), registry, lambda: "draining" if stop.is_set() else None)
    listening = await server.start()
    admin_address = await admin.start()
    try:
        _log.info("worker is ready", worker=config.worker)
        write_ready_file(
            ready_file, {"listen": listening, "metrics": f"http://{format_address(admin_address)}/metrics"}
        )
        await stop.wait()
    finally:
        await server.stop()
        await admin.stop()
        await tracing.close()


@contextmanager
def _traced(tracing: Tracing, session: Session) -> Iterator[None]:
    """A span of the session, in the trace of its call."""
    attributes: Attributes = {
        "offhook.call_id": session.call_id,
        "offhook.model": session.model,
        "offhook.moved": bool(session.history),
    }
    trace = tracing.begin("worker session", time.monotonic(), attributes, parent=session.traceparent)
    try:
        yield
    finally:
        trace.end(time.monotonic())


def _make_worker(config: WorkerConfig) -> VoiceWorker:
    """The worker, loaded and warm.

    Raises:
        ConfigError: the agent cannot run here.
    """
    if config.worker == "echo":
        return EchoWorker()
    if config.worker == "pcm-echo":
        return PcmEchoWorker()
    if config.worker.startswith("bridge-"):
        return _make_bridge(config)
    try:
        # An image of the echo worker has none of the agent's libraries.
        from offhook_worker.agent.worker import VoiceAgent  # noqa: PLC0415 - as the line above says
    except ImportError as error:
        raise ConfigError(f"worker: agent needs {AGENT_EXTRA} ({error})") from error
    try:
        return VoiceAgent(config.models_dir or models_directory(), threads=config.agent_threads)
    except FileNotFoundError as error:
        raise ConfigError(f"model file {error} is missing; 'offhook models fetch' fetches it") from error


def _make_bridge(config: WorkerConfig) -> VoiceWorker:
    try:
        # Needs what only bridges need.
        from offhook_worker.bridge.cascade import CascadeBridge  # noqa: PLC0415 - as the line above says
        from offhook_worker.bridge.realtime.worker import RealtimeBridge  # noqa: PLC0415 - the same

        if config.realtime is not None:
            return RealtimeBridge(config.realtime)
        assert config.cascade is not None
        return CascadeBridge(config.cascade, config.models_dir or models_directory())
    except ImportError as error:
        raise ConfigError(f"worker: {config.worker} needs {BRIDGE_EXTRA} ({error})") from error
    except FileNotFoundError as error:
        raise ConfigError(f"model file {error} is missing; 'offhook models fetch' fetches it") from error
    except InvalidSettings as error:
        raise ConfigError(str(error)) from error


class WorkerCollector(Collector):
    """What Prometheus sees of a worker, read at scrape time."""

    def __init__(self, server: WorkerServer) -> None:
        self._server = server

    def collect(self) -> Iterator[Metric]:
        """All families."""
        load, counters = self._server.load_report(), self._server.counters
        yield gauge("fabric_worker_sessions", "Sessions open now.", load.sessions)
        yield gauge("fabric_worker_max_sessions", "Sessions taken at once.", load.max_sessions)
        yield gauge(
            "fabric_worker_queue_delay_p95_seconds",
            "How long input waits before it is looked at: 95th percentile of the last second.",
            load.queue_delay_ms_p95 / 1000,
        )
        yield gauge(
            "fabric_worker_real_time_factor",
            "Compute time per second of audio; above 1 the worker falls behind. 0: the model does not say.",
            load.real_time_factor,
        )
        yield gauge("fabric_worker_utilization", "Fraction of the model's bottleneck in use, 0 to 1.", load.utilization)
        yield histograms_by(
            "fabric_worker_first_audio_seconds",
            "The worker's share of the way to an answer's first audio, by stage.",
            "stage",
            STAGE_BOUNDS_S,
            {stage: (times.counts, times.sum_s) for stage, times in counters.first_audio.items()},
        )
        yield counter("fabric_worker_sessions_accepted", "Sessions accepted.", counters.sessions_accepted)
        yield counter("fabric_worker_sessions_rejected", "Sessions rejected.", counters.sessions_rejected)
        yield counter(
            "fabric_worker_sessions_failed", "Sessions ended by a fault of the model.", counters.sessions_failed
        )
        yield counter("fabric_worker_messages_received", "gRPC messages received.", counters.messages_received)
        yield counter("fabric_worker_messages_sent", "gRPC messages sent.", counters.messages_sent)
        yield counter("fabric_worker_frames_received", "Audio frames received.", counters.audio_frames_received)
        yield counter("fabric_worker_frames_sent", "Audio frames sent.", counters.audio_frames_sent)
        yield counters_by(
            "fabric_worker_drops",
            "Inputs and outputs discarded, by reason.",
            "reason",
            {reason.value: counters.drops[reason] for reason in InputDrop},
        )
