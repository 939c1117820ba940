"""TLS of the public port, where no proxy ends it."""

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

from offhook.service.config import ConfigError
from offhook.service.key_file import file_stamp

_log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 1.0


class ServerTls:
    """A certificate that may be replaced while connections last.

    Args:
        certificate, key: PEM files, as a `kubernetes.io/tls` Secret has them.

    Raises:
        ConfigError: they cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """What new connections use."""
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._stamps = self._look()
        self._load(self.context)

    async def follow(self) -> None:
        """Never returns: loads the files anew when they have changed. What cannot be used is logged, once."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            stamps = self._look()
            if stamps == self._stamps:
                continue
            self._stamps = stamps
            try:
                # Elsewhere first: a pair that does not fit must not spoil the one in force.
                self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
                self._load(self.context)
            except ConfigError as error:
                _log.warning("the certificate has changed but cannot be used; the last one stays", error=str(error))
            else:
                _log.info("the certificate has changed; new connections get it")

    def _look(self) -> tuple[object, object]:
        return file_stamp(self._certificate), file_stamp(self._key)

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            # ssl.SSLError says nothing of the files' content.
            raise ConfigError(
                f"tls_certificate_file, tls_key_file: cannot be used: {error.strerror or error}"
            ) from None
