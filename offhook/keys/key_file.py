"""What a key file becomes: pure functions on its content.

A key is added first, so that every relay and transceiver can read its ufrags; then ufrags are minted with it; and when
the calls of the one before have ended, that one is retired. Each step is one change of the file, and the processes see
it by themselves.
"""

import base64
import secrets
import string
from collections.abc import Iterator, Mapping
from typing import Any, Final

from offhook.keys.errors import KeyMisuse
from wire.ufrag import SECRET_BYTES

ICE_CHARS: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
"""What the first character of a ufrag may be (RFC 8839 section 5.4)."""

KeyFile = Mapping[str, Any]


def with_new_key(content: KeyFile) -> tuple[dict[str, Any], str]:
    """Add a key that does not mint yet. Returns the content and the new key's id.

    Ids go round, from that of the newest key on: one that was just retired comes last, and nobody who still holds the
    retired key takes the new one's ufrags for forged.

    Raises:
        KeyMisuse: every id is taken.
    """
    taken = list(_ids(content))
    after_newest = ICE_CHARS.find(taken[-1]) + 1
    free = (char for char in ICE_CHARS[after_newest:] + ICE_CHARS[:after_newest] if char not in taken)
    key_id = next(free, None)
    if key_id is None:
        raise KeyMisuse(f"all {len(ICE_CHARS)} key ids are taken: retire some first")
    secret = base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")
    return {"configurations": [*content["configurations"], {"id": key_id, "secret": secret}]}, key_id


def minting_with(content: KeyFile, key_id: str) -> dict[str, Any]:
    """Mint with another key of the file.

    Raises:
        KeyMisuse: there is no such key.
    """
    if key_id not in _ids(content):
        raise KeyMisuse(f"there is no key {key_id!r}")
    return {"configurations": [_with_mint(key, mint=key["id"] == key_id) for key in content["configurations"]]}


def without_key(content: KeyFile, key_id: str) -> dict[str, Any]:
    """Retire a key. Calls whose ufrags were minted with it end.

    Raises:
        KeyMisuse: there is no such key, or it is the one that mints.
    """
    if key_id not in _ids(content):
        raise KeyMisuse(f"there is no key {key_id!r}")
    if key_id == minting_id(content):
        raise KeyMisuse(f"key {key_id!r} mints: let another one mint first")
    return {"configurations": [key for key in content["configurations"] if key["id"] != key_id]}


def minting_id(content: KeyFile) -> str:
    """The id of the key that mints."""
    minting: str = next(key["id"] for key in content["configurations"] if key.get("mint"))
    return minting


def idle_ids(content: KeyFile) -> list[str]:
    """The ids of the keys that do not mint."""
    return [key_id for key_id in _ids(content) if key_id != minting_id(content)]


def _ids(content: KeyFile) -> Iterator[str]:
    return (key["id"] for key in content["configurations"])


def _with_mint(key: Mapping[str, Any], *, mint: bool) -> dict[str, Any]:
    plain = {name: value for name, value in key.items() if name != "mint"}
    return {**plain, "mint": True} if mint else plain
