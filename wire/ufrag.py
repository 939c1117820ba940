"""Routing ufrags: the ICE username fragment says which transceiver a check is for, to whoever holds the keys.

A relay routes a client's first packet with no lookup in any store, and nobody else learns anything from it. The idea is
that of QUIC-LB's connection ids
([draft-ietf-quic-load-balancers](https://datatracker.ietf.org/doc/html/draft-ietf-quic-load-balancers)), here one
AES-128 block.

```
 0               2                               6                                12              16
+---------------+-------------------------------+--------------------------------+---------------+
| cluster id 16 |      transceiver id 32        |       session nonce 48         | zero check 32 |
+---------------+-------------------------------+--------------------------------+---------------+
                                 |  AES-128-ECB, one block: 16 bytes
                                 v  standard base64 without padding: 22 characters
          +---+----------------------+
  ufrag   | A | 22 ice-chars         |     23 ice-chars; A is the config id, which names the key
          +---+----------------------+
  call id  rtc_ + the same 23 characters in the URL-safe alphabet: '+' -> '-', '/' -> '_'
```

The last of the 22 characters holds 2 bits of the block and 4 zero bits; a ufrag where they are not zero is malformed,
so one block has one spelling. The base64 alphabet is exactly that of ice-char,
[RFC 8839 §5.4](https://www.rfc-editor.org/rfc/rfc8839#section-5.4).

The ICE password is derived from the ufrag, so any relay can verify a check's MESSAGE-INTEGRITY:

```
secret (32 bytes) -- HKDF-SHA256, no salt, info "offhook route aes-128" --> 16 bytes, the block's key
                  -- HKDF-SHA256, no salt, info "offhook ice-pwd"       --> 32 bytes, the password key
ice-pwd = base64(HMAC-SHA256(password key, ufrag)[:18])                 --> 24 ice-chars, 144 bits
```

which is above the 128 bits that [RFC 8445 §5.3](https://www.rfc-editor.org/rfc/rfc8445#section-5.3) asks for.
HKDF is [RFC 5869](https://www.rfc-editor.org/rfc/rfc5869).
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from wire.drop import DropReason

UFRAG_CHARS: Final = 23
SECRET_BYTES: Final = 32
CALL_ID_PREFIX: Final = "rtc_"

_ICE_CHARS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
# Those whose six bits end in four zeros.
_LAST_CHARS: Final = frozenset(b"AQgw")
_BASE64_PADDING: Final = b"=="
_TO_CALL_ID: Final = str.maketrans("+/", "-_")
# Also maps the characters of the other alphabet out of the way, so that a call id has one spelling, too.
_FROM_CALL_ID: Final = str.maketrans("-_+/", "+/\0\0")

_ID_BYTES: Final = Struct("!HI")
_NONCE_BYTES: Final = 6
_ZERO_CHECK: Final = bytes(4)
_PASSWORD_BYTES: Final = 18

_BLOCK_KEY_INFO: Final = b"offhook route aes-128"
_PASSWORD_KEY_INFO: Final = b"offhook ice-pwd"


class RouteToken(NamedTuple):
    """Where a session lives. cluster_id: 16 bits; transceiver_id: 32 bits; nonce: 48 bits, new for each ufrag."""

    cluster_id: int
    transceiver_id: int
    nonce: int


@dataclass(frozen=True)
class RouteKey:
    """One key configuration, the same in every role of the fabric.

    config_id: one ice-char, the first of every ufrag minted with this key.
    secret: 32 random bytes; never used as they are, only through HKDF.

    Raises ValueError for anything else.
    """

    config_id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Check both fields."""
        if not (len(self.config_id) == 1 and ord(self.config_id) in _ICE_CHARS):
            raise ValueError(f"route key id {self.config_id!r} must be one of A-Z a-z 0-9 + /")
        if len(self.secret) != SECRET_BYTES:
            raise ValueError(f"route key {self.config_id!r} needs a secret of 32 bytes, not {len(self.secret)}")


class DerivedKeys(NamedTuple):
    """What HKDF makes of one route key: all that a native engine needs. Never to be logged.

    config_id: as in RouteKey. block_key: 16 bytes, for AES-128. password_key: 32 bytes, for HMAC-SHA256.
    """

    config_id: str
    block_key: bytes
    password_key: bytes


class KeyRing:
    """The route keys a role holds: one mints, all of them are accepted.

    Rotation without a dropped call: accept the new key everywhere, then mint with it, then stop accepting the old one
    when the last call it minted has ended.

    Ciphers are set up once per key, so decoding costs one AES block. They keep state while they run: give each thread
    a ring of its own.
    """

    def __init__(self, mint: RouteKey, accept: Iterable[RouteKey] = ()) -> None:
        """Hold `mint` and all of `accept`; naming one and the same key twice is harmless.

        Raises ValueError when two different keys share a config id.
        """
        keys: dict[str, RouteKey] = {mint.config_id: mint}
        for key in accept:
            if keys.setdefault(key.config_id, key) != key:
                raise ValueError(f"two different route keys have the id {key.config_id!r}")
        self._mint_id = mint.config_id
        self._ciphers = {ord(config_id): _KeyCipher(key.secret) for config_id, key in keys.items()}

    @property
    def config_ids(self) -> frozenset[str]:
        """The ids of all keys held. A ufrag begins with that of its key."""
        return frozenset(map(chr, self._ciphers))

    def mint_ufrag(self, token: RouteToken) -> str:
        """Return the 23 ice-chars of a token, under the minting key. Raises ValueError when a field does not fit."""
        block = self._ciphers[ord(self._mint_id)].encrypt(_pack_token(token))
        return self._mint_id + b64encode(block)[:-2].decode("ascii")

    def decode_ufrag(self, ufrag: bytes) -> RouteToken | DropReason:
        """Return the token of a ufrag minted with any key held. Never raises.

        Returns MALFORMED_UFRAG (not 23 ice-chars in their one spelling), UNKNOWN_KEY (config id not held) or
        FORGED_UFRAG (the check is not zero), in this order.
        """
        if len(ufrag) != UFRAG_CHARS or ufrag[0] not in _ICE_CHARS or ufrag[-1] not in _LAST_CHARS:
            return DropReason.MALFORMED_UFRAG
        try:
            block = binascii.a2b_base64(ufrag[1:] + _BASE64_PADDING, strict_mode=True)
        except binascii.Error:
            return DropReason.MALFORMED_UFRAG
        cipher = self._ciphers.get(ufrag[0])
        if cipher is None:
            return DropReason.UNKNOWN_KEY
        return _unpack_token(cipher.decrypt(block))

    def ice_pwd(self, ufrag: str) -> str:
        """Return the 24 ice-chars of the password that goes with a ufrag; the ufrag itself is not checked.

        Raises ValueError when the ufrag is empty, is not ASCII, or its config id is not held.
        """
        cipher = self._ciphers.get(ord(ufrag[0])) if ufrag and ufrag.isascii() else None
        if cipher is None:
            raise ValueError("the ufrag names a route key that is not held")
        return cipher.password(ufrag.encode("ascii"))

    def derived_keys(self) -> tuple[DerivedKeys, ...]:
        """Return the keys of every configuration held, for an engine that is not written in Python."""
        return tuple(
            DerivedKeys(chr(config_id), cipher.block_key, cipher.password_key)
            for config_id, cipher in self._ciphers.items()
        )

    def mint_call_id(self, token: RouteToken) -> str:
        """Return the call id of a token, `rtc_` and 23 URL-safe characters. Raises ValueError as `mint_ufrag` does."""
        return CALL_ID_PREFIX + self.mint_ufrag(token).translate(_TO_CALL_ID)

    def decode_call_id(self, call_id: str) -> RouteToken | DropReason:
        """Return the token of a call id. Never raises; drop reasons as for `decode_ufrag`."""
        if not call_id.startswith(CALL_ID_PREFIX) or not call_id.isascii():
            return DropReason.MALFORMED_UFRAG
        return self.decode_ufrag(call_id[len(CALL_ID_PREFIX) :].translate(_FROM_CALL_ID).encode("ascii"))


class _KeyCipher:
    """What one secret is used for, set up once."""

    def __init__(self, secret: bytes) -> None:
        """Derive both keys of a 32-byte secret."""
        self.block_key = _derive(secret, _BLOCK_KEY_INFO, 16)
        # ECB over a single block that holds a 48-bit nonce is the plain block cipher: there is nothing to chain.
        cipher = Cipher(AES128(self.block_key), ECB())  # noqa: S305 - the line above
        # Contexts are never finalised: in ECB every whole block comes out at once and leaves no state behind.
        self.encrypt = cipher.encryptor().update
        self.decrypt = cipher.decryptor().update
        self.password_key = _derive(secret, _PASSWORD_KEY_INFO, 32)

    def password(self, ufrag: bytes) -> str:
        """Return the 24 ice-chars of the derived ICE password."""
        return b64encode(hmac.digest(self.password_key, ufrag, "sha256")[:_PASSWORD_BYTES]).decode("ascii")


def _derive(secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret)


def _pack_token(token: RouteToken) -> bytes:
    """Return the 16 bytes of the block in the clear."""
    for name, value, bits in zip(token._fields, token, (16, 32, 48), strict=True):
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{name} {value} does not fit {bits} bits")
    nonce = token.nonce.to_bytes(_NONCE_BYTES, "big")
    return _ID_BYTES.pack(token.cluster_id, token.transceiver_id) + nonce + _ZERO_CHECK


def _unpack_token(block: bytes) -> RouteToken | DropReason:
    if block[12:] != _ZERO_CHECK:
        return DropReason.FORGED_UFRAG
    cluster_id, transceiver_id = _ID_BYTES.unpack_from(block)
    return RouteToken(cluster_id, transceiver_id, int.from_bytes(block[6:12], "big"))
