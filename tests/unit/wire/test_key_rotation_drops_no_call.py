"""Route keys are rotated by adding, minting with, and retiring; a ufrag works while its key is held and not after."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire.drop import DropReason
from wire.ufrag import KeyRing, RouteKey, RouteToken

PROPERTY = settings(deadline=None, derandomize=True)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
SECRETS = st.binary(min_size=32, max_size=32)
TOKENS = st.builds(RouteToken, st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**48 - 1))

OLD, NEW = RouteKey("A", bytes(range(32))), RouteKey("B", bytes(range(100, 132)))
TOKEN = RouteToken(1, 2, 3)


@PROPERTY
@given(st.lists(st.sampled_from(ALPHABET), min_size=2, max_size=2, unique=True), SECRETS, SECRETS, TOKENS)
def test_a_ufrag_decodes_while_its_key_is_accepted_and_not_after(
    ids: list[str], old_secret: bytes, new_secret: bytes, token: RouteToken
) -> None:
    old, new = RouteKey(ids[0], old_secret), RouteKey(ids[1], new_secret)
    before, during, after = KeyRing(old), KeyRing(new, accept=[old]), KeyRing(new)
    ufrag, call_id = before.mint_ufrag(token), before.mint_call_id(token)
    password = before.ice_pwd(ufrag)

    assert during.decode_ufrag(ufrag.encode()) == token
    assert during.decode_call_id(call_id) == token
    assert during.ice_pwd(ufrag) == password

    assert after.decode_ufrag(ufrag.encode()) is DropReason.UNKNOWN_KEY
    assert after.decode_call_id(call_id) is DropReason.UNKNOWN_KEY
    with pytest.raises(ValueError, match="not held"):
        after.ice_pwd(ufrag)


def test_a_key_delivered_early_is_accepted_before_anyone_mints_with_it() -> None:
    early = KeyRing(OLD, accept=[NEW])
    assert early.mint_ufrag(TOKEN).startswith("A")
    assert early.decode_ufrag(KeyRing(NEW).mint_ufrag(TOKEN).encode()) == TOKEN


def test_the_minting_key_may_be_listed_among_the_accepted() -> None:
    ring = KeyRing(OLD, accept=[OLD, NEW])
    assert ring.decode_ufrag(ring.mint_ufrag(TOKEN).encode()) == TOKEN


def test_two_keys_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="'A'"):
        KeyRing(OLD, accept=[RouteKey("A", NEW.secret)])
    with pytest.raises(ValueError, match="'B'"):
        KeyRing(OLD, accept=[NEW, RouteKey("B", OLD.secret)])


@pytest.mark.parametrize("config_id", ["", "AB", "-", "_", "=", " ", "é", "\U0001d7d8"])
def test_a_config_id_is_one_ice_char(config_id: str) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        RouteKey(config_id, bytes(32))


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_secret_is_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        RouteKey("A", bytes(length))


def test_a_key_does_not_show_its_secret() -> None:
    key = RouteKey("A", b"very secret bytes, thirty-two ok")
    assert "very secret" not in repr(key)


@pytest.mark.parametrize(
    "token", [RouteToken(-1, 0, 0), RouteToken(2**16, 0, 0), RouteToken(0, 2**32, 0), RouteToken(0, 0, 2**48)]
)
def test_a_token_that_does_not_fit_is_refused(token: RouteToken) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        KeyRing(OLD).mint_ufrag(token)


@pytest.mark.parametrize("ufrag", ["", "Zabc", "é" * 23, "\ud800"])
def test_a_password_is_asked_only_for_a_key_that_is_held(ufrag: str) -> None:
    with pytest.raises(ValueError, match="not held"):
        KeyRing(OLD).ice_pwd(ufrag)
