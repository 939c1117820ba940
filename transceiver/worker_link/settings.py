"""How the transceiver treats its workers."""

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from offhook.service.config import Config


class DropPolicy(StrEnum):
    """What gives way when a bounded audio queue is full."""

    DROP_OLDEST = "drop_oldest"
    """A live voice: what was said last matters most."""
    DROP_NEWEST = "drop_newest"
    """A recording: what was said first must stay whole."""


class WorkerLinkSettings(Config):
    """Timing and bounds of the links to workers. The defaults notice a dead worker within 2 s."""

    batch_interval_ms: float = Field(
        default=10.0,
        ge=0,
        le=100,
        description="Audio leaves no sooner after the message before it: so long the frames of all sessions gather.",
    )
    ping_interval_s: float = Field(default=0.5, gt=0, le=60, description="Time between two pings.")
    ping_timeout_s: float = Field(
        default=1.5,
        gt=0,
        le=60,
        description="A worker from which nothing came for this long is lost.",
    )
    hello_timeout_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="Time a worker has to answer a new stream.",
    )
    accept_timeout_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="Time a worker has to accept or reject a session; then another is asked.",
    )
    slow_start_s: float = Field(
        default=5.0,
        ge=0,
        le=600,
        description="A worker that has just come gets fewer calls than the others for this long; 0: it does not.",
    )
    input_queue_ms: int = Field(
        default=1000,
        ge=100,
        le=60_000,
        description="Audio kept per session while its worker grants no credit.",
    )
    input_queue_policy: DropPolicy = Field(
        default=DropPolicy.DROP_OLDEST,
        description="Which audio goes when that queue is full.",
    )
    output_credit_ms: int = Field(
        default=5000,
        ge=200,
        le=600_000,
        description="Output audio a worker may send ahead of what was played.",
    )
    reconnect_min_s: float = Field(
        default=0.1,
        gt=0,
        le=60,
        description="First wait before dialling a worker again.",
    )
    reconnect_max_s: float = Field(default=5.0, gt=0, le=600, description="Longest wait; each failure doubles it.")
    discovery_interval_s: float = Field(default=5.0, gt=0, le=3600, description="Time between two DNS look-ups.")
    max_message_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=65_536,
        description="Largest gRPC message either way; an image must fit into one.",
    )
    tls_ca_file: Path | None = Field(
        default=None,
        description="Workers speak TLS with certificates of this authority (PEM). None: in the clear.",
    )
    tls_certificate_file: Path | None = Field(
        default=None,
        description="This transceiver's certificate, for workers that ask for one (PEM). Read again at every dial.",
    )
    tls_key_file: Path | None = Field(default=None, description="Its private key (PEM).")
    tls_server_name: str | None = Field(
        default=None,
        description="Name in workers' certificates, where it is not the one that is dialled (an address, a pod).",
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file: set both or neither")
        if self.tls_ca_file is None and (self.tls_certificate_file or self.tls_server_name):
            raise ValueError("tls_ca_file: needed wherever workers are spoken to by TLS")
        return self
