"""The transceiver's configuration file."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from offhook.service.config import Config
from offhook.service.discovery import parse_target
from offhook.service.tracing import TracingConfig
from transceiver.audio.settings import AudioSettings
from transceiver.candidates import ANNOUNCED
from transceiver.media_port.choice import MediaPortName
from transceiver.signalling.access.rates import RequestRates
from transceiver.worker_link.settings import WorkerLinkSettings
from wire.address import Address, parse_address


class SessionLimits(Config):
    """Bounds and timers of one session."""

    setup_timeout_s: float = Field(
        15.0, gt=0, description="A call that has not connected by then ends (reason setup_timeout)."
    )
    consent_timeout_s: float = Field(
        30.0,
        gt=0,
        description="Without an authenticated check for this long the client is gone (RFC 7675 section 5.1).",
    )
    max_duration_s: float = Field(3600.0, gt=0, description="A call ends after this time, as OpenAI's do.")
    answer_timeout_s: float = Field(
        30.0, gt=0, description="An answer of which the worker sends nothing for so long fails (worker_timeout)."
    )
    playout_buffer_ms: int = Field(
        10_000, gt=0, description="How far a worker may be ahead of the wire clock; the credit it is given."
    )


class TransceiverConfig(Config):
    """Configuration of one transceiver process."""

    name: str = Field(description="Stable name for logs, metrics and workers, such as the pod's name.")
    cluster_id: int = Field(ge=0, le=0xFFFF, description="Carried by every routing ufrag and call id.")
    transceiver_id: int = Field(ge=0, le=0xFFFF_FFFF, description="Unique within the cluster; the route of its calls.")
    http_listen: str = Field(
        description="ip:port of the public API and demo page. Bound with SO_REUSEPORT, so that several may share it."
    )
    tls_certificate_file: Path | None = Field(
        None, description="Certificate chain of http_listen (PEM), re-read when it changes. Unset: plain HTTP."
    )
    tls_key_file: Path | None = Field(None, description="Its private key (PEM).")
    plain_http_networks: tuple[str, ...] = Field(
        (),
        description="Networks (CIDR) of the proxies that end TLS. Keys over plain HTTP from elsewhere than these and "
        "this machine are refused.",
    )
    peer_listen: str = Field(
        description="ip:port of the same API for other transceivers, which pass requests for this one's calls on to it."
    )
    peer_url: str | None = Field(
        None, description="Base URL other transceivers reach peer_listen at; unset: http://<peer_listen as bound>."
    )
    media_listen: str = Field(description="ip:port for datagrams of relays (Simple Proxy Protocol); port 0 is fine.")
    media_address: str | None = Field(
        None, description="ip:port relays reach media_listen at; unset: media_listen as bound."
    )
    media_port: MediaPortName = Field(
        "auto", description="native (Rust, a quarter of the CPU), python, or auto: native where it is installed."
    )
    media_dscp: int = Field(
        46, ge=0, le=63, description="DSCP of all it sends to relays, which keep it; 46 is EF, for audio (RFC 8837)."
    )
    route_listen: str = Field(description='Where relays and peers subscribe (gRPC): "ip:port" or "unix:/path".')
    admin_listen: str = Field(description="ip:port of /livez, /readyz and /metrics.")
    peers: tuple[str, ...] = Field(
        (),
        description="route_listen of all transceivers, this one or not: ip:port, unix:/path or dns:name:port.",
    )
    workers: tuple[str, ...] = Field((), description="Workers: ip:port, unix:/path or dns:name:port.")
    candidates: tuple[str, ...] = Field(
        ("relays",),
        min_length=1,
        description="The relays as clients reach them: ip:port, dns:name:port, loadbalancer:service:port, or relays: "
        "what each relay announces. An answer names up to four of them.",
    )
    relay_networks: tuple[str, ...] = Field(
        (),
        description="Networks (CIDR) whose datagrams are accepted without a subscription: another SPP-speaking edge.",
    )
    keys_file: Path = Field(description="The routing keys (a mounted Secret).")
    api_keys_file: Path = Field(
        description="Bearer keys of the API: KEY or TENANT KEY on each line; re-read when it changes."
    )
    client_secret_keys_file: Path | None = Field(
        None,
        description="Keys that seal ephemeral keys (a mounted Secret of the routing keys' form, the same for all "
        "transceivers); re-read when it changes. Unset: none are minted.",
    )
    tracing: TracingConfig | None = Field(None, description="Where traces of calls go; unset: none are kept.")
    models_dir: Path | None = Field(
        None,
        description="Where `offhook models fetch` put the models of turn taking; unset: loudness and pauses decide.",
    )
    default_model: str | None = Field(
        None, description="Model of a call that names none; unset: the first model that any worker serves."
    )
    model_aliases: dict[str, str] = Field(
        {"gpt-realtime*": "", "gpt-4o-*": "", "whisper-*": ""},
        description="Other names for models: patterns (* as in a shell) of what clients ask for, and the model they "
        "get (empty: the default one). A name that a worker serves comes first. As it is, a client that asks for one "
        "of OpenAI's models is served.",
    )
    max_sessions: int = Field(
        1000,
        gt=0,
        description="Calls, and sessions on WebSockets, that this process holds at once, each; more get 503.",
    )
    max_connecting: int = Field(
        256,
        gt=0,
        description="Calls that may be answered and not yet connected; more get 503, so that abandoned offers, which "
        "each keep a place for setup_timeout_s, never fill the house.",
    )
    max_offer_bytes: int = Field(65_536, gt=0, description="Largest SDP offer read.")
    max_http_connections: int = Field(
        4096, gt=0, description="TCP connections of the public API at once, WebSockets included; more get 503."
    )
    http_headers_timeout_s: float = Field(
        10.0, gt=0, description="A connection whose first request's headers have not come by then is closed."
    )
    relay_grace_s: float = Field(
        60.0, gt=0, description="How long a relay whose stream broke may still send: a lost stream is not a lost relay."
    )
    worker_link: WorkerLinkSettings = Field(
        default_factory=WorkerLinkSettings,
        description="Timing, bounds and TLS of the links to workers; how far they may be ahead is playout_buffer_ms.",
    )
    drain_s: float = Field(
        30.0, ge=0, description="After SIGTERM: how long calls may still end by themselves before they are ended."
    )
    request_rates: RequestRates = Field(
        default_factory=RequestRates, description="How many requests a key may make; more get 429."
    )
    mcp_servers: tuple[str, ...] = Field(
        (),
        description="URLs of the MCP servers that sessions may name as tools, with all that is below their paths. The "
        "transceiver connects to them on a client's word, so none is allowed unless it is listed.",
    )
    cors_origins: tuple[str, ...] = Field(("*",), description="Origins whose pages may call the API.")
    audio: AudioSettings = Field(default_factory=AudioSettings, description="Codecs, for models that want samples.")
    limits: SessionLimits = Field(default_factory=SessionLimits, description="Bounds and timers of one session.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged.")
    log_format: Literal["console", "json"] = Field("console", description="Shape of log lines on standard error.")

    @field_validator("http_listen", "peer_listen", "media_listen", "admin_listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parse_address(value)
        return value

    @field_validator("media_address")
    @classmethod
    def _can_be_reached(cls, value: str | None) -> str | None:
        if value is not None:
            _check_reachable(parse_address(value))
        return value

    @field_validator("candidates")
    @classmethod
    def _are_candidates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            target = parse_target(text) if text != ANNOUNCED else None
            if isinstance(target, str):
                _check_reachable(parse_address(target))
        return value

    @field_validator("peer_url")
    @classmethod
    def _is_base_url(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if (
                parts.scheme not in ("http", "https")
                or not parts.hostname
                or value != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError("must be http://host:port without a path")
        return value

    @field_validator("route_listen")
    @classmethod
    def _is_one_target(cls, value: str) -> str:
        if not isinstance(parse_target(value), str):
            raise ValueError("must be ip:port or unix:/path")  # noqa: TRY004 - pydantic wants a ValueError
        return value

    @field_validator("peers", "workers")
    @classmethod
    def _are_targets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for target in value:
            parse_target(target)
        return value

    @field_validator("relay_networks", "plain_http_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text)
        return value

    @field_validator("worker_link")
    @classmethod
    def _has_one_window(cls, value: WorkerLinkSettings) -> WorkerLinkSettings:
        if "output_credit_ms" in value.model_fields_set:
            raise ValueError("output_credit_ms: set limits.playout_buffer_ms, which it follows")
        return value

    @model_validator(mode="after")
    def _says_where_it_is(self) -> Self:
        if self.peer_url is None and _is_unspecified(parse_address(self.peer_listen)):
            raise ValueError("peer_url: is required where peer_listen is every interface")
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file: set both or neither")
        if self.media_address is None and _is_unspecified(parse_address(self.media_listen)):
            raise ValueError("media_address: is required where media_listen is every interface")
        return self


def _check_reachable(address: Address) -> None:
    if _is_unspecified(address) or not address.port:
        raise ValueError("must name an address and a port that others can reach")


def _is_unspecified(address: Address) -> bool:
    return ip_address(address.host).is_unspecified
