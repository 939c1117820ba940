"""Reads a role's configuration file, whichever role it is of."""

from collections.abc import Callable, Mapping
from pathlib import Path

from offhook.doctor.host import Port
from offhook.doctor.probe import Transport
from offhook.doctor.role import RoleSettings
from offhook.service.config import ConfigError, load_config, read_mapping
from wire.address import parse_address


def load_settings(path: Path, cores: int) -> RoleSettings:
    """Validates a configuration file as its role would at its start.

    Args:
        path: the file. A field that only one role has tells which role it is of.
        cores: what a native relay with `threads: 0` would use.

    Raises:
        ConfigError: it is wrong, of no role, or the role is not installed here.
    """
    content = read_mapping(path)
    for field, load in _ROLES.items():
        if field in content:
            try:
                return load(path, cores)
            except ImportError as error:
                raise ConfigError(f"{path}: this role is not installed here ({error.name} is missing)") from None
    raise ConfigError(f"{path}: of no role; it has none of {', '.join(_ROLES)}")


# Imports are inside: where one role is installed the others' libraries may be missing.
def _relay(path: Path, cores: int) -> RoleSettings:
    from relay.config import RelayConfig  # noqa: PLC0415  (reason: above)

    config = load_config(path, RelayConfig)
    return RoleSettings(
        role="relay",
        ports=[
            *(_udp(address, shared=True) for address in config.listen),
            _udp(config.upstream_listen),
            _tcp(config.admin_listen),
        ],
        busy=1 if config.engine == "python" else config.threads or cores,
        cluster_id=config.cluster_id,
        keys_file=config.keys_file,
        transceivers=config.transceivers,
    )


def _transceiver(path: Path, cores: int) -> RoleSettings:
    from transceiver.config import TransceiverConfig  # noqa: PLC0415  (reason: above)

    config = load_config(path, TransceiverConfig)
    return RoleSettings(
        role="transceiver",
        ports=[
            _tcp(config.http_listen, shared=True),
            _tcp(config.peer_listen),
            _udp(config.media_listen),
            _tcp(config.admin_listen),
        ],
        busy=1,
        cluster_id=config.cluster_id,
        keys_file=config.keys_file,
        secrets=[path for path in (config.api_keys_file, config.client_secret_keys_file) if path is not None],
        transceivers=config.peers,
        workers=config.workers,
    )


def _worker(path: Path, cores: int) -> RoleSettings:
    from offhook.worker_role import WorkerConfig  # noqa: PLC0415  (reason: above)

    config = load_config(path, WorkerConfig)
    return RoleSettings(role="worker", ports=[_tcp(config.admin_listen)], busy=1)


_ROLES: Mapping[str, Callable[[Path, int], RoleSettings]] = {
    "relay_id": _relay,
    "transceiver_id": _transceiver,
    "worker": _worker,
}


def _udp(address: str, *, shared: bool = False) -> Port:
    return Port(Transport.UDP, parse_address(address), shared)


def _tcp(address: str, *, shared: bool = False) -> Port:
    return Port(Transport.TCP, parse_address(address), shared)
