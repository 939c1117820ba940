"""Bearer keys."""

import hmac
from collections.abc import Collection
from pathlib import Path

import structlog
from aiohttp import web

from offhook.service.config import ConfigError
from offhook.service.key_file import file_stamp
from transceiver.signalling.errors import ApiError

_log = structlog.get_logger(__name__)


class ApiKeys:
    """The keys of a file, one per line; blank lines and lines that begin with # do not count.

    The file is read again when it changes, so that a mounted Secret rotates without a restart. One that is gone, not
    text or without a key is logged once per change, and the keys read last stay in force: it may be half written.

    Raises:
        ConfigError: the file cannot be read at start, or holds no key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = file_stamp(path)
        self._keys = _read_keys(path)

    def accepts(self, key: str) -> bool:
        """Whether `key` is one of ours. Takes the same time for every wrong key of a length."""
        self._refresh()
        # Bytes that are not UTF-8 reach us as surrogates; they are a wrong key like any other.
        given = key.encode(errors="surrogateescape")
        # No short cut: a match must not be visible in the time this takes.
        return sum(hmac.compare_digest(given, held) for held in self._keys) > 0

    def _refresh(self) -> None:
        stamp = file_stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = _read_keys(self._path)
        except ConfigError as error:
            _log.warning("the API keys have changed but cannot be used; the last ones stay in force", error=str(error))
        else:
            _log.info("the API keys have changed; those in the file are in force")


def _read_keys(path: Path) -> Collection[bytes]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise ConfigError(f"api_keys_file: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"api_keys_file: {path} is not UTF-8 text") from None
    keys = tuple(line.encode() for line in lines if line and not line.startswith("#"))
    if not keys:
        raise ConfigError(f"api_keys_file: {path} holds no key; put one per line")
    return keys


def require_key(request: web.Request, keys: ApiKeys) -> None:
    """Refuses a request without a good `Authorization: Bearer` header.

    Raises:
        ApiError: 401.
    """
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = ""
    check_key(key, keys)


def check_key(key: str, keys: ApiKeys) -> None:
    """Refuses a missing or a wrong key, wherever it came from.

    Raises:
        ApiError: 401.
    """
    if not key:
        raise ApiError(
            401, "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.", code="missing_api_key"
        )
    if not keys.accepts(key.strip()):
        raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")
