"""What full ICE agents do beyond the ordinary, towards our ICE-lite one (RFC 8445, RFC 7675)."""

import struct

from aioice import stun

from tests.support.transceiver_scene import CLIENT_A, CLIENT_B, PUBLIC, Caller, TransceiverScene
from tests.support.webrtc_client import ClientOptions
from transceiver.media_port.interface import Path
from transceiver.session.actions import CloseReason
from wire.address import Address
from wire.drop import DropReason

UNKNOWN = 0x7FFF
"""Below 0x8000: whoever does not know it must say so."""
NOMINATION = 0xC001
"""libwebrtc's attribute for re-nomination (draft-thatcher-ice-renomination); aioice does not know it."""


def speaks(scene: TransceiverScene, caller: Caller) -> bool:
    heard = len(caller.client.audio)
    sent = caller.speak(5)
    scene.run(0.2)
    return [packet.payload for packet in caller.client.audio[heard:]] == sent


def with_attribute(check: bytes, pwd: str, attribute_type: int) -> bytes:
    """The check with an attribute in front of its MESSAGE-INTEGRITY, which is made anew."""
    message = stun.parse_message(check)
    names = [name for name in message.attributes if name not in ("MESSAGE-INTEGRITY", "FINGERPRINT")]
    bare = stun.Message(
        stun.Method.BINDING,
        stun.Class.REQUEST,
        message.transaction_id,
        {name: message.attributes[name] for name in names},
    )
    data = bytes(bare) + struct.pack("!HHI", attribute_type, 4, 1)
    data = data[:2] + struct.pack("!H", len(data) - 20 + 24) + data[4:]
    return data + struct.pack("!HH", 0x0008, 20) + stun.message_integrity(data, pwd.encode())


def test_a_client_that_believes_to_be_controlled_is_told_and_served_once_it_switches() -> None:
    scene = TransceiverScene()
    caller = scene.call(start=False)
    caller.client.ice.controlling = False
    caller.client.accept(caller.session.answer, scene.now)
    scene.run(0.2)
    assert caller.client.ice.last_error == 487
    assert scene.drops[DropReason.ROLE_CONFLICT] > 0
    assert caller.listener.connected_at is None
    caller.client.ice.controlling = True
    scene.run_until(lambda: caller.listener.connected_at is not None)
    assert speaks(scene, caller)


def test_a_client_that_nominates_with_every_check_is_served() -> None:
    scene = TransceiverScene()
    assert speaks(scene, scene.connect(ClientOptions(nominate_from=0)))


def test_an_attribute_that_must_be_known_and_is_not_is_named_in_the_answer() -> None:
    scene = TransceiverScene()
    caller = scene.call(start=False)
    ice = caller.client.ice
    caller.client.accept(caller.session.answer, scene.now)
    ice.stop()
    check = with_attribute(ice.check(scene.now, nominate=True), ice.remote_pwd, UNKNOWN)
    scene.inject(check, client=CLIENT_A)
    scene.run(0.1)
    assert ice.last_error == 420
    assert scene.drops == {DropReason.UNKNOWN_STUN_ATTRIBUTE: 1}
    # It has not counted as a check: no handshake begins.
    assert caller.listener.connected_at is None


def test_the_nomination_attribute_of_libwebrtc_does_no_harm() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    ice = caller.client.ice
    before = scene.sent_to[CLIENT_B]
    scene.inject(with_attribute(ice.check(scene.now, nominate=True), ice.remote_pwd, NOMINATION), client=CLIENT_B)
    scene.run(0.1)
    assert scene.sent_to[CLIENT_B] > before
    assert Path(CLIENT_B, PUBLIC) in caller.session.paths
    assert scene.drops == {}


def test_a_client_on_ipv6_is_served() -> None:
    scene = TransceiverScene()
    address = Address("2001:db8::7", 40_000)
    caller = scene.connect(address=address)
    assert caller.session.selected_path == Path(address, PUBLIC)
    assert speaks(scene, caller)


def test_consent_lasts_as_long_as_checks_come_and_no_longer() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    scene.run(120.0)
    assert caller.listener.closed_reason is None
    caller.client.ice.stop()
    scene.run(25.0)
    assert caller.listener.closed_reason is None
    scene.run(6.0)
    assert caller.listener.closed_reason is CloseReason.CONSENT_EXPIRED


def test_media_is_no_consent() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.client.ice.stop()
    for _ in range(31):
        if caller.listener.closed_reason is None:
            caller.speak(1)
            scene.run(1.0)
    assert caller.listener.closed_reason is CloseReason.CONSENT_EXPIRED
