"""Bearer keys."""

import contextlib
import hmac
from collections.abc import Collection
from pathlib import Path

from aiohttp import web

from offhook.service.config import ConfigError
from transceiver.signalling.errors import ApiError


class ApiKeys:
    """The keys of a file, one per line; blank lines and lines that begin with # do not count.

    The file is read again when it changes, so that a mounted Secret rotates without a restart.

    Raises:
        ConfigError: the file cannot be read at start, or holds no key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._keys: Collection[bytes] = ()
        try:
            self._refresh()
        except OSError as error:
            raise ConfigError(f"api_keys_file: cannot read {path}: {error.strerror}") from error
        if not self._keys:
            raise ConfigError(f"api_keys_file: {path} holds no key; put one per line")

    def _refresh(self) -> None:
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            lines = (line.strip() for line in self._path.read_text().splitlines())
            self._keys = tuple(line.encode() for line in lines if line and not line.startswith("#"))
            self._stamp = stamp

    def accepts(self, key: str) -> bool:
        """Whether `key` is one of ours. Takes the same time for every wrong key of a length."""
        # While the file is being replaced, the keys read last stay in force.
        with contextlib.suppress(OSError):
            self._refresh()
        given = key.encode()
        # No short cut: a match must not be visible in the time this takes.
        return sum(hmac.compare_digest(given, held) for held in self._keys) > 0


def require_key(request: web.Request, keys: ApiKeys) -> None:
    """Refuses a request without a good `Authorization: Bearer` header.

    Raises:
        ApiError: 401.
    """
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise ApiError(
            401, "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.", code="missing_api_key"
        )
    if not keys.accepts(key.strip()):
        raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")
