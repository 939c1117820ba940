"""Where the worker under check serves, and how it is spoken to: in the clear, or by TLS as a transceiver does."""

from dataclasses import dataclass
from pathlib import Path

import grpc

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024


class BadTls(ValueError):
    """The files do not make a TLS client; the message says why."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """What this side of TLS is, all PEM.

    Attributes:
        ca: whose certificates a worker may have.
        certificate: this side's own, for workers that ask for one; empty: none.
        key: its private key.
        server_name: name in the worker's certificate, where it is not the one that is dialled.
    """

    ca: bytes
    certificate: bytes = b""
    key: bytes = b""
    server_name: str = ""

    @staticmethod
    def of_files(ca: Path | None, certificate: Path | None, key: Path | None, server_name: str) -> "ClientTls | None":
        """Read from files; None where no file is named.

        Raises:
            BadTls: a file is missing, or cannot be read.
        """
        if ca is None and (certificate or key or server_name):
            raise BadTls("TLS needs --ca, the authority of the worker's certificate")
        if (certificate is None) != (key is None):
            raise BadTls("--cert and --key go together")
        if ca is None:
            return None
        try:
            own = (b"", b"") if certificate is None or key is None else (certificate.read_bytes(), key.read_bytes())
            return ClientTls(ca.read_bytes(), *own, server_name)
        except OSError as error:
            raise BadTls(f"{error.filename} cannot be read: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One worker's port.

    Attributes:
        address: as gRPC takes it: "127.0.0.1:9000", "unix:/path/socket".
        tls: None: in the clear.
    """

    address: str
    tls: ClientTls | None = None

    def channel(self) -> grpc.aio.Channel:
        """A connection of its own, not dialled yet."""
        options: list[tuple[str, int | str]] = [
            ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
        ]
        if self.tls is None:
            return grpc.aio.insecure_channel(self.address, options=options)
        if self.tls.server_name:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        credentials = grpc.ssl_channel_credentials(
            self.tls.ca, private_key=self.tls.key or None, certificate_chain=self.tls.certificate or None
        )
        return grpc.aio.secure_channel(self.address, credentials, options=options)
