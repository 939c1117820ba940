"""TLS of a worker's port, and of its clients where only transceivers of the fabric may connect."""

import logging
from dataclasses import dataclass
from pathlib import Path

import grpc

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the keys lie, all PEM. They are looked at with each new connection, and read again when they have changed.

    Attributes:
        certificate: the worker's certificate, with those between it and its authority.
        key: its private key.
        client_ca: who may connect: those with a certificate of this authority (mutual TLS); None: anybody.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file there is to read."""
        return (self.certificate, self.key) if self.client_ca is None else (self.certificate, self.key, self.client_ca)


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """What a gRPC server listens with.

    Raises:
        OSError: a file cannot be read.
    """
    certificates = _Certificates(files)
    return grpc.dynamic_ssl_server_credentials(
        certificates.read(),
        certificates.changed,  # type: ignore[arg-type]  # None, "the same as before", is missing in the stubs
        require_client_authentication=files.client_ca is not None,
    )


class _Certificates:
    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._read_at: tuple[int, ...] = ()

    def read(self) -> grpc.ServerCertificateConfiguration:
        read_at = self._written_at()
        client_ca = self._files.client_ca.read_bytes() if self._files.client_ca is not None else None
        pair = (self._files.key.read_bytes(), self._files.certificate.read_bytes())
        self._read_at = read_at
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=client_ca)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC, on a thread of its own, before a handshake: what to use from now on; None: the same."""
        try:
            if self._written_at() == self._read_at:
                return None
            configuration = self.read()
        except OSError as error:
            _log.warning("certificates cannot be read, those read before stay in use: %s", error)
            return None
        _log.info("certificates have changed and were read again")
        return configuration

    def _written_at(self) -> tuple[int, ...]:
        return tuple(path.stat().st_mtime_ns for path in self._files.all)
