"""Ephemeral keys: what a server mints for one browser, with the session that it may open bound in.

Any transceiver verifies one without a database, because the key carries all there is to know, sealed:

```
"ek_" base64url, no padding:
 0        1        2                     14                                             n-16        n
+--------+--------+---------------------+------------------------------------------------+-----------+
| version| key id |      nonce 96       |  AES-256-GCM of the content below, deflated    |  tag 128  |
+--------+--------+---------------------+------------------------------------------------+-----------+
content: {"i": id, "k": id of the API key that minted it, "e": expiry in Unix seconds, "s": session object}
```

The first two bytes are authenticated as associated data. Sealed rather than only signed, because the session object may
hold what its browser is not to read. AES-GCM compares tags in constant time.

One becomes invalid when it expires, when the API key that minted it leaves the file of API keys (so a tenant's keys are
rotated alone), or when the key that sealed it leaves the key file (which is everybody's).
"""

import base64
import binascii
import json
import secrets
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from offhook.service.config import ConfigError, SecretRing, load_secret_ring
from offhook.service.key_file import file_stamp

_log = structlog.get_logger(__name__)

PREFIX: Final = "ek_"
MAX_CHARS: Final = 6144
"""Of one: proxies and servers take header lines of 8 KiB, and a browser sends it in one with more around it."""

_VERSION: Final = 1
_HEAD_BYTES: Final = 2
_NONCE_BYTES: Final = 12
_KEY_INFO: Final = b"offhook client secret aes-256-gcm"
_MAX_CONTENT_BYTES: Final = 1 << 20
"""Inflated. Only what we sealed is inflated, so this bounds our own mistakes."""


class ClientSecretTooLarge(Exception):
    """The session object does not fit into a key."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """What an ephemeral key says.

    Attributes:
        id: of this key, for the calls that are placed with it.
        api_key_id: of the API key that minted it.
        expires_at: Unix seconds.
        session: what sessions opened with it are, unless the connection says otherwise.
    """

    id: str
    api_key_id: str
    expires_at: int
    session: Mapping[str, Any] = field(repr=False)


class ClientSecrets:
    """Mints and opens ephemeral keys.

    The key file (the same form as the routing keys') is read again when it changes. One that is gone or wrong is
    logged once per change, and the keys read last stay in force.

    Args:
        path: the key file.
        unix_time: the clock.

    Raises:
        ConfigError: the file is wrong at start.
    """

    def __init__(self, path: Path, unix_time: Callable[[], float]) -> None:
        self._path = path
        self._unix_time = unix_time
        self._stamp = file_stamp(path)
        self._keys = _Keys(load_secret_ring(path))

    def mint(self, api_key_id: str, session: Mapping[str, Any], lifetime_s: int) -> tuple[str, ClientSecret]:
        """A new key, and what it says.

        Raises:
            ClientSecretTooLarge: the session object is too large.
        """
        secret = ClientSecret(secrets.token_hex(8), api_key_id, int(self._unix_time()) + lifetime_s, session)
        content = {"i": secret.id, "k": api_key_id, "e": secret.expires_at, "s": session}
        deflated = zlib.compress(json.dumps(content, separators=(",", ":")).encode(), 9)
        self._refresh()
        head = bytes((_VERSION, ord(self._keys.mint_id)))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._keys.ciphers[self._keys.mint_id].encrypt(nonce, deflated, head)
        value = PREFIX + base64.urlsafe_b64encode(head + nonce + sealed).rstrip(b"=").decode()
        if len(value) > MAX_CHARS:
            raise ClientSecretTooLarge
        return value, secret

    def open(self, value: str) -> ClientSecret | None:
        """What a key says, expired or not; None if none of ours sealed it."""
        self._refresh()
        if len(value) > MAX_CHARS or not value.startswith(PREFIX) or not value.isascii():
            return None
        try:
            encoded = value[len(PREFIX) :]
            raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        if len(raw) < _HEAD_BYTES + _NONCE_BYTES or raw[0] != _VERSION:
            return None
        cipher = self._keys.ciphers.get(chr(raw[1]))
        if cipher is None:
            return None
        nonce, sealed = raw[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES], raw[_HEAD_BYTES + _NONCE_BYTES :]
        try:
            deflated = cipher.decrypt(nonce, sealed, raw[:_HEAD_BYTES])
        except InvalidTag:
            return None
        content = json.loads(zlib.decompressobj().decompress(deflated, _MAX_CONTENT_BYTES))
        return ClientSecret(content["i"], content["k"], content["e"], content["s"])

    def has_expired(self, secret: ClientSecret) -> bool:
        """Whether its time is over."""
        return self._unix_time() >= secret.expires_at

    def _refresh(self) -> None:
        stamp = file_stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = _Keys(load_secret_ring(self._path))
        except ConfigError as error:
            _log.warning(
                "the keys of client secrets have changed but cannot be used; the last ones stay in force",
                error=str(error),
            )
        else:
            _log.info("the keys of client secrets have changed; those in the file are in force")


class _Keys:
    """The ciphers of a ring."""

    def __init__(self, ring: SecretRing) -> None:
        self.mint_id = ring.mint_id
        self.ciphers = {key_id: AESGCM(_derive(secret)) for key_id, secret in ring.secrets.items()}


def _derive(secret: bytes) -> bytes:
    """The same file may hold keys of other uses: each use has its own key."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_KEY_INFO).derive(secret)
