"""A check or a ufrag that was changed by as little as one bit does not pass as genuine."""

from __future__ import annotations

import aioice.stun
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import stun
from wire.drop import DropReason
from wire.ufrag import KeyRing, RouteKey, RouteToken

PROPERTY = settings(deadline=None, derandomize=True)

RING = KeyRing(RouteKey("A", bytes(range(32))), [RouteKey("B", bytes(range(100, 132)))])
TOKEN = RouteToken(cluster_id=7, transceiver_id=0x12345678, nonce=0x0123456789AB)
UFRAG = RING.mint_ufrag(TOKEN)
PASSWORD = RING.ice_pwd(UFRAG).encode()
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def check(username: str = f"{UFRAG}:h6vY", password: bytes = PASSWORD) -> bytes:
    """A controlling client's connectivity check, FINGERPRINT last, as an ICE library writes it."""
    message = aioice.stun.Message(
        message_method=aioice.stun.Method.BINDING,
        message_class=aioice.stun.Class.REQUEST,
        transaction_id=bytes(range(12)),
    )
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1853817087
    message.attributes["ICE-CONTROLLING"] = 0x1122334455667788
    message.add_message_integrity(password)
    return bytes(message)


def without_fingerprint(datagram: bytes) -> bytes:
    return datagram[:2] + (len(datagram) - 20 - 8).to_bytes(2, "big") + datagram[4:-8]


def flip_bit(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    flipped[bit // 8] ^= 0x80 >> bit % 8
    return bytes(flipped)


def accept(datagram: bytes) -> stun.BindingRequest | DropReason:
    """What a relay asks of a check: well-formed, for a genuine ufrag, signed with the password of that very ufrag."""
    request = stun.parse_binding_request(datagram)
    if isinstance(request, DropReason):
        return request
    token = RING.decode_ufrag(request.local_ufrag)
    if isinstance(token, DropReason):
        return token
    password = RING.ice_pwd(request.local_ufrag.decode()).encode()
    if not stun.verify_integrity(datagram, request.integrity_offset, password):
        return DropReason.BAD_INTEGRITY
    return request


def test_the_untouched_check_is_accepted() -> None:
    expected = stun.BindingRequest(bytes(range(12)), UFRAG.encode(), b"h6vY", len(check()) - 8 - 24)
    assert accept(check()) == expected
    assert accept(without_fingerprint(check())) == expected


def test_every_single_bit_flip_of_a_check_is_refused() -> None:
    datagram = without_fingerprint(check())
    accepted = [bit for bit in range(len(datagram) * 8) if not isinstance(accept(flip_bit(datagram, bit)), DropReason)]
    assert accepted == []


def test_with_fingerprint_only_its_own_attribute_type_may_change_and_then_nothing_else_does() -> None:
    # Turned into an unknown attribute after MESSAGE-INTEGRITY it must be ignored, RFC 8489 §14.5.
    datagram = check()
    attribute_type = range((len(datagram) - 8) * 8, (len(datagram) - 6) * 8)
    for bit in range(len(datagram) * 8):
        answer = accept(flip_bit(datagram, bit))
        assert answer == accept(datagram) if bit in attribute_type else isinstance(answer, DropReason)


@pytest.mark.parametrize("kept", range(len(check())))
def test_every_truncation_of_a_check_is_malformed(kept: int) -> None:
    assert stun.parse_binding_request(check()[:kept]) is DropReason.MALFORMED_STUN


def test_the_password_of_another_session_does_not_pass() -> None:
    other = RING.mint_ufrag(TOKEN._replace(nonce=TOKEN.nonce + 1))
    assert accept(check(password=RING.ice_pwd(other).encode())) is DropReason.BAD_INTEGRITY


def test_a_check_for_one_session_cannot_be_pointed_at_another() -> None:
    other = RING.mint_ufrag(TOKEN._replace(nonce=TOKEN.nonce + 1))
    redirected = without_fingerprint(check()).replace(UFRAG.encode(), other.encode())
    assert accept(redirected) is DropReason.BAD_INTEGRITY


@PROPERTY
@given(st.integers(1, len(UFRAG) - 1), st.sampled_from(ALPHABET))
def test_a_ufrag_with_one_character_changed_is_refused(position: int, character: str) -> None:
    changed = UFRAG[:position] + character + UFRAG[position + 1 :]
    if changed != UFRAG:
        assert RING.decode_ufrag(changed.encode()) in (DropReason.MALFORMED_UFRAG, DropReason.FORGED_UFRAG)


@PROPERTY
@given(st.text(ALPHABET, min_size=21, max_size=21), st.sampled_from("AQgw"), st.sampled_from("AB"))
def test_a_made_up_ufrag_of_the_right_form_is_forged(body: str, last: str, config_id: str) -> None:
    assert RING.decode_ufrag((config_id + body + last).encode()) is DropReason.FORGED_UFRAG


def test_a_ufrag_moved_under_another_key_is_forged() -> None:
    assert RING.decode_ufrag(b"B" + UFRAG[1:].encode()) is DropReason.FORGED_UFRAG
