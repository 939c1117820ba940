"""API keys: long-lived bearer keys of servers, in a file, each of a tenant."""

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from offhook.service.config import ConfigError
from offhook.service.key_file import file_stamp
from transceiver.calls.placer import DEFAULT_TENANT

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key.

    Attributes:
        tenant: whose it is: calls placed with a key of one tenant do not exist for another.
        id: names the key without telling it.
    """

    tenant: str
    key: bytes = field(repr=False)
    id: str


class ApiKeys:
    """The keys of a file: `KEY` or `TENANT KEY` on each line; blank lines and lines that begin with # do not count.

    The file is read again when it changes, so that a mounted Secret rotates without a restart. One that is gone, not
    text or without a key is logged once per change, and the keys read last stay in force: it may be half written.

    Raises:
        ConfigError: the file cannot be read at start, holds no key, or a line that is neither form.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = file_stamp(path)
        self._keys = _read_keys(path)

    def find(self, key: str) -> ApiKey | None:
        """The key that is `key`, if one is. Takes the same time for every wrong key of a length."""
        self._refresh()
        # Bytes that are not UTF-8 reach us as surrogates; they are a wrong key like any other.
        given = key.encode(errors="surrogateescape")
        # No short cut: a match must not be visible in the time this takes.
        found = [held for held in self._keys if hmac.compare_digest(given, held.key)]
        return found[0] if found else None

    def by_id(self, id: str) -> ApiKey | None:
        """The key with this id, while it is in force."""
        self._refresh()
        return next((held for held in self._keys if held.id == id), None)

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


def _read_keys(path: Path) -> Collection[ApiKey]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise ConfigError(f"api_keys_file: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"api_keys_file: {path} is not UTF-8 text") from None
    keys = tuple(_read_key(line, path) for line in lines if line and not line.startswith("#"))
    if not keys:
        raise ConfigError(f"api_keys_file: {path} holds no key; put one per line")
    return keys


def _read_key(line: str, path: Path) -> ApiKey:
    words = line.split()
    if len(words) > 2:
        raise ConfigError(f"api_keys_file: a line of {path} is neither 'KEY' nor 'TENANT KEY'")
    tenant, key = words if len(words) == 2 else (DEFAULT_TENANT, line)
    digest = hashlib.sha256(key.encode()).hexdigest()
    return ApiKey(tenant, key.encode(), digest[:16])
