"""Channels to workers: in the clear, or by TLS with what the settings name."""

import grpc

from transceiver.worker_link.settings import WorkerLinkSettings


def open_channel(target: str, settings: WorkerLinkSettings) -> grpc.aio.Channel:
    """A channel that is not dialled yet. Files are read now: a renewed certificate serves from the next dial on.

    Raises:
        OSError: a file cannot be read.
    """
    options: list[tuple[str, int | str]] = [
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        # Workers are inside; a proxy named in the environment is for the outside.
        ("grpc.enable_http_proxy", 0),
    ]
    if settings.tls_ca_file is None:
        return grpc.aio.insecure_channel(target, options=options)
    if settings.tls_server_name is not None:
        options.append(("grpc.ssl_target_name_override", settings.tls_server_name))
    key, certificate = settings.tls_key_file, settings.tls_certificate_file
    credentials = grpc.ssl_channel_credentials(
        settings.tls_ca_file.read_bytes(),
        private_key=key.read_bytes() if key is not None else None,
        certificate_chain=certificate.read_bytes() if certificate is not None else None,
    )
    return grpc.aio.secure_channel(target, credentials, options=options)
