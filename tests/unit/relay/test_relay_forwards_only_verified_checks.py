"""Attack scenes at the public port: nothing unauthenticated reaches a transceiver, and each try has its own counter."""

import secrets
import string
from base64 import b64encode
from collections.abc import Callable

import pytest
from aioice import stun

from tests.support.relay_scene import (
    ALICE,
    BOB,
    CLUSTER,
    DTLS_RECORD,
    SRTCP_PACKET,
    SRTP_PACKET,
    RelayScene,
    binding_request,
    binding_response,
    route_key,
)
from wire.drop import DropReason
from wire.ufrag import KeyRing, RouteToken

Attack = Callable[[RelayScene], bytes]
FINGERPRINT_BYTES = 8
HEADER_BYTES = 20


def minted(scene: RelayScene) -> tuple[str, str]:
    """A good ufrag and its password."""
    ufrag = scene.keys.mint_ufrag(RouteToken(CLUSTER, ALICE, secrets.randbits(48)))
    return ufrag, scene.keys.ice_pwd(ufrag)


def unsigned(**attributes: object) -> bytes:
    return bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes))


def resized(datagram: bytes) -> bytes:
    """The same with the length in its header set to what it is."""
    return datagram[:2] + (len(datagram) - HEADER_BYTES).to_bytes(2, "big") + datagram[4:]


def scanned_ufrag(scene: RelayScene) -> bytes:
    guess = "A" + b64encode(secrets.token_bytes(16)).decode()[:22]
    return binding_request(f"{guess}:theirs", "x" * 24)


def ufrag_with_one_character_changed(scene: RelayScene) -> bytes:
    ufrag, _ = minted(scene)
    alphabet = string.ascii_letters + string.digits
    ufrag = ufrag[:5] + alphabet[(alphabet.find(ufrag[5]) + 1) % len(alphabet)] + ufrag[6:]
    return binding_request(f"{ufrag}:theirs", scene.keys.ice_pwd(ufrag))


def changed_after_signing(scene: RelayScene) -> bytes:
    datagram = bytearray(resized(scene.check()[:-FINGERPRINT_BYTES]))
    datagram[10] ^= 1  # in the transaction id, which the signature covers
    return bytes(datagram)


def for_transceiver_without_its_password(scene: RelayScene) -> bytes:
    ufrag, _ = minted(scene)
    return binding_request(f"{ufrag}:theirs", "x" * 24)


def with_the_password_of_another_session(scene: RelayScene) -> bytes:
    ufrag, _ = minted(scene)
    _, other_pwd = minted(scene)
    return binding_request(f"{ufrag}:theirs", other_pwd)


def without_integrity(scene: RelayScene) -> bytes:
    ufrag, _ = minted(scene)
    return unsigned(USERNAME=f"{ufrag}:theirs")


def without_colon(scene: RelayScene) -> bytes:
    return binding_request(*minted(scene))


def turn_allocation(scene: RelayScene) -> bytes:
    return bytes(stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST))


def attribute_beyond_the_end(scene: RelayScene) -> bytes:
    datagram = bytearray(scene.check())
    datagram[HEADER_BYTES + 2 : HEADER_BYTES + 4] = b"\xff\xff"
    return bytes(datagram)


ATTACKS: list[tuple[str, Attack, DropReason]] = [
    ("empty", lambda scene: b"", DropReason.EMPTY_DATAGRAM),
    ("oversized", lambda scene: SRTP_PACKET + bytes(2048), DropReason.OVERSIZED_DATAGRAM),
    ("as large as UDP allows", lambda scene: bytes([128]) * 65_507, DropReason.OVERSIZED_DATAGRAM),
    ("garbage", lambda scene: bytes([5]) * 100, DropReason.UNKNOWN_KIND),
    ("one byte of RTP", lambda scene: bytes([128]), DropReason.UNKNOWN_KIND),
    ("QUIC", lambda scene: bytes([0xC0]) * 1200, DropReason.UNSUPPORTED_KIND),
    ("ZRTP", lambda scene: bytes([0x10]) * 100, DropReason.UNSUPPORTED_KIND),
    ("TURN channel", lambda scene: bytes([0x40]) * 100, DropReason.UNSUPPORTED_KIND),
    ("DTLS of nobody", lambda scene: DTLS_RECORD, DropReason.UNKNOWN_FLOW),
    ("SRTP of nobody", lambda scene: SRTP_PACKET, DropReason.UNKNOWN_FLOW),
    ("SRTCP of nobody", lambda scene: SRTCP_PACKET, DropReason.UNKNOWN_FLOW),
    ("STUN response of nobody", lambda scene: binding_response(), DropReason.UNKNOWN_FLOW),
    ("TURN allocation", turn_allocation, DropReason.UNEXPECTED_STUN_METHOD),
    ("attribute beyond the end", attribute_beyond_the_end, DropReason.MALFORMED_STUN),
    ("check without USERNAME", lambda scene: unsigned(PRIORITY=1), DropReason.MISSING_USERNAME),
    ("check without integrity", without_integrity, DropReason.MISSING_INTEGRITY),
    ("USERNAME without colon", without_colon, DropReason.MALFORMED_UFRAG),
    ("somebody else's ufrag", lambda scene: binding_request("abcd:efgh", "x" * 24), DropReason.MALFORMED_UFRAG),
    ("ufrag scan", scanned_ufrag, DropReason.FORGED_UFRAG),
    ("ufrag with a character changed", ufrag_with_one_character_changed, DropReason.FORGED_UFRAG),
    ("key not held", lambda scene: scene.check(keys=KeyRing(route_key("Z"))), DropReason.UNKNOWN_KEY),
    ("key of the same name", lambda scene: scene.check(keys=KeyRing(route_key("A"))), DropReason.FORGED_UFRAG),
    ("other cluster", lambda scene: scene.check(cluster_id=CLUSTER + 1), DropReason.OTHER_CLUSTER),
    ("unknown transceiver", lambda scene: scene.check(99), DropReason.UNKNOWN_TRANSCEIVER),
    ("guessed password", for_transceiver_without_its_password, DropReason.BAD_INTEGRITY),
    ("another session's password", with_the_password_of_another_session, DropReason.BAD_INTEGRITY),
    ("changed after signing", changed_after_signing, DropReason.BAD_INTEGRITY),
]


@pytest.mark.parametrize(
    ("attack", "reason"), [pytest.param(attack, reason, id=name) for name, attack, reason in ATTACKS]
)
async def test_an_attack_is_counted_and_reaches_nobody(scene: RelayScene, attack: Attack, reason: DropReason) -> None:
    attacker = await scene.client()
    attacker.send(attack(scene), scene.proxy)
    await scene.dropped(reason)
    assert scene.engine.flow_count() == 0
    await scene.nothing_has_reached_a_transceiver()
    assert attacker.is_idle, "a relay answers nobody"


async def test_a_check_cut_short_anywhere_is_malformed(scene: RelayScene) -> None:
    attacker = await scene.client()
    check = scene.check()
    for length in range(1, len(check)):
        attacker.send(check[:length], scene.proxy)
    await scene.dropped(DropReason.MALFORMED_STUN, len(check) - 1)
    await scene.nothing_has_reached_a_transceiver()


async def test_a_forged_check_does_not_move_a_flow(scene: RelayScene) -> None:
    client = await scene.client()
    await scene.bind(client, ALICE)
    ufrag = scene.keys.mint_ufrag(RouteToken(CLUSTER, BOB, 1))
    client.send(binding_request(f"{ufrag}:theirs", "x" * 24), scene.proxy)
    await scene.dropped(DropReason.BAD_INTEGRITY)
    client.send(SRTP_PACKET, scene.proxy)
    assert (await scene.arrives(ALICE))[1] == SRTP_PACKET
    assert scene.transceivers[BOB].is_idle


async def test_a_flood_of_bad_checks_leaves_a_call_unharmed(scene: RelayScene) -> None:
    caller, attacker = await scene.client(), await scene.client()
    await scene.bind(caller)
    for number in range(200):
        attacker.send(scanned_ufrag(scene), scene.proxy)
        caller.send(SRTP_PACKET + bytes([number]), scene.proxy)
        assert (await scene.arrives(ALICE))[1] == SRTP_PACKET + bytes([number])
    await scene.dropped(DropReason.FORGED_UFRAG, 200)
