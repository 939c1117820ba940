"""`offhook worker`: a reference worker with the fabric's configuration, logs and admin endpoints around it."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import structlog
from offhook_worker import ServeOptions, VoiceWorker
from offhook_worker import run as run_worker
from offhook_worker.echo import EchoWorker
from prometheus_client import CollectorRegistry
from pydantic import Field, field_validator

from offhook.service.admin import AdminServer
from offhook.service.config import Config
from offhook.service.lifecycle import run_service, write_ready_file
from offhook.service.logs import configure_logging
from wire.address import format_address, parse_address

_log = structlog.get_logger(__name__)

REFERENCE_WORKERS: dict[str, Callable[[], VoiceWorker]] = {"echo": EchoWorker}


class WorkerConfig(Config):
    """Configuration of one worker process."""

    name: str = Field(description="Stable name for logs and metrics, such as the pod's name.")
    worker: Literal["echo"] = Field(description="Which reference worker to run.")
    listen: str = Field(description='Where transceivers dial (gRPC): "ip:port" or "unix:/path".')
    admin_listen: str = Field(description="ip:port of /livez, /readyz and /metrics.")
    max_sessions: int = Field(256, gt=0, description="Calls taken at once, all transceivers together.")
    drain_s: float = Field(30.0, ge=0, description="After SIGTERM: how long open calls may go on.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged.")
    log_format: Literal["console", "json"] = Field("console", description="Shape of log lines on standard error.")

    @field_validator("admin_listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parse_address(value)
        return value


def run(config: WorkerConfig, ready_file: Path | None) -> int:
    """Runs the worker until it is told to stop. Returns the exit code."""
    configure_logging(config.log_level, config.log_format, role="worker", name=config.name)
    return run_service(lambda stop: _serve(config, stop, ready_file))


async def _serve(config: WorkerConfig, stop: asyncio.Event, ready_file: Path | None) -> None:
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    registry = CollectorRegistry()
    admin = AdminServer(
        parse_address(config.admin_listen),
        registry,
        lambda: None if listening.done() and not stop.is_set() else "not listening",
    )
    admin_address = await admin.start()
    serving = asyncio.ensure_future(
        run_worker(
            REFERENCE_WORKERS[config.worker](),
            config.listen,
            ServeOptions(name=config.name, max_sessions=config.max_sessions, drain_s=config.drain_s),
            stop=stop,
            on_listening=listening.set_result,
        )
    )
    try:
        await asyncio.wait([serving, listening], return_when=asyncio.FIRST_COMPLETED)
        if listening.done():
            metrics = f"http://{format_address(admin_address)}/metrics"
            write_ready_file(ready_file, {"listen": listening.result(), "metrics": metrics})
            _log.info("worker is ready", worker=config.worker)
        await serving
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        await admin.stop()
