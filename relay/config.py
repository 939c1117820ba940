"""The relay's configuration file."""

from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from offhook.service.config import Config
from offhook.service.discovery import parse_target
from relay.engine.choice import EngineName
from relay.engine.interface import EngineSettings, Listener
from relay.engine.limits import AdmissionLimits
from wire.address import parse_address


class RelayConfig(Config):
    """Configuration of one relay process."""

    relay_id: str = Field(description="Stable name for logs, metrics and transceivers, such as the pod's name.")
    cluster_id: int = Field(ge=0, le=0xFFFF, description="Ufrags of other clusters are refused.")
    listen: tuple[str, ...] = Field(
        min_length=1,
        description="ip:port of the public UDP sockets, bound with SO_REUSEPORT: several relays may share. On a host "
        "where clients use several addresses name each: 0.0.0.0 answers from the one that its routes choose.",
    )
    advertise: tuple[str, ...] | None = Field(
        None,
        description="The same sockets as clients reach them, one for one; unset: as bound. Relays behind one load "
        "balancer must name the same, or a client that is moved between them waits for its next check.",
    )
    upstream_listen: str = Field(
        description="ip:port for datagrams to and from transceivers; port 0 is fine. The ip must be one they can reach."
    )
    transceivers: tuple[str, ...] = Field(
        min_length=1, description="route_listen of the transceivers: ip:port, unix:/path or dns:name:port."
    )
    keys_file: Path = Field(description="The routing keys (a mounted Secret); read again when it changes.")
    admin_listen: str = Field(description="ip:port of /livez, /readyz and /metrics.")
    engine: EngineName = Field(
        "auto", description="What forwards datagrams. auto: native where it is installed, else python."
    )
    threads: int = Field(
        0, ge=0, le=1024, description="Threads of the native engine, each with its sockets; 0: one per core."
    )
    gather_us: int = Field(
        500,
        ge=0,
        le=10_000,
        description="Microseconds a busy native thread may hold a packet, handling included, so that packets gather, "
        "which halves their cost; 0: never.",
    )
    gather_above: int = Field(
        20_000, ge=0, description="Packets per second, both directions together, from which a thread is busy."
    )
    max_flows: int = Field(
        100_000,
        gt=0,
        le=100_000_000,
        description="Client five-tuples held at once; a new one beyond is refused. The native engine takes 43 bytes "
        "for each, in every thread.",
    )
    unsynced_flow_idle_s: float = Field(
        30.0,
        gt=0,
        description="Life of a flow no transceiver vouches for, without authentic packets: the consent of RFC 7675.",
    )
    limits: AdmissionLimits = Field(default_factory=AdmissionLimits, description="What strangers may cost.")
    sync_deadline_s: float = Field(
        3.0, ge=0, description="How long start-up waits for every transceiver's snapshot before it takes packets."
    )
    transceiver_lost_s: float = Field(
        300.0, gt=0, description="A transceiver whose stream stays broken this long is forgotten."
    )
    drain_s: float = Field(
        5.0, ge=0, description="After SIGTERM: how long clients are still served, while load balancers turn away."
    )
    handover_s: float = Field(
        6.0,
        ge=0,
        description="Then clients are left to the relays that share the address, and for so long transceivers' packets "
        "are still passed on: until every client has shown itself there (consent checks, RFC 7675: 6 s at most).",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged.")
    log_format: Literal["console", "json"] = Field("console", description="Shape of log lines on standard error.")

    @field_validator("listen", "advertise")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        addresses = [parse_address(text) for text in value or ()]
        fixed = [address for address in addresses if address.port]
        if len(set(fixed)) != len(fixed):
            raise ValueError("names one address twice")
        return value

    @field_validator("admin_listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parse_address(value)
        return value

    @field_validator("upstream_listen")
    @classmethod
    def _is_one_address(cls, value: str) -> str:
        if ip_address(parse_address(value).host).is_unspecified:
            raise ValueError("must name one address: transceivers take datagrams from it alone")
        return value

    @field_validator("transceivers")
    @classmethod
    def _are_targets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for target in value:
            parse_target(target)
        return value

    @model_validator(mode="after")
    def _advertises_each_listener(self) -> Self:
        if self.advertise is not None and len(self.advertise) != len(self.listen):
            raise ValueError("advertise: must name one address for each of 'listen'")
        return self

    @property
    def engine_settings(self) -> EngineSettings:
        """What the engine needs of this."""
        public = self.advertise if self.advertise is not None else self.listen
        return EngineSettings(
            cluster_id=self.cluster_id,
            listeners=[
                Listener(parse_address(bind), parse_address(known_as))
                for bind, known_as in zip(self.listen, public, strict=True)
            ],
            upstream=parse_address(self.upstream_listen),
            max_flows=self.max_flows,
            unsynced_flow_idle_s=self.unsynced_flow_idle_s,
            threads=self.threads,
            gather_us=self.gather_us,
            gather_above=self.gather_above,
            limits=self.limits,
        )
