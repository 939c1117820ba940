"""The client's address, its relay or its credentials change under a call."""

from tests.support.transceiver_scene import ATTACKER, CLIENT_A, CLIENT_B, PUBLIC, RELAY_B, Caller, TransceiverScene
from tests.support.webrtc_client import ClientOptions
from transceiver.media_port.interface import Path
from transceiver.sdp.credentials import IceCredentials
from wire.drop import DropReason


def assert_echoes(scene: TransceiverScene, caller: Caller, frames: int = 25) -> None:
    """What the client says now comes back to where it is now."""
    heard = len(caller.client.audio)
    sent = caller.speak(frames)
    scene.run(0.2)
    assert [packet.payload for packet in caller.client.audio[heard:]] == sent


def move(caller: Caller, scene: TransceiverScene) -> None:
    """A NAT gives the client another address, and the client, noticing, checks it."""
    caller.address = CLIENT_B
    caller.client.ice.start(caller.client.ice.remote_ufrag, caller.client.ice.remote_pwd, scene.now)


def test_media_follows_a_nominated_check_and_media_from_a_new_address() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(25)
    move(caller, scene)
    scene.run(0.05)
    assert caller.session.selected_path == Path(CLIENT_A, PUBLIC)
    caller.speak(1)
    assert caller.session.selected_path == Path(CLIENT_B, PUBLIC)
    assert_echoes(scene, caller)
    assert scene.flows.flows[caller.path] == (caller.session.call_id, (caller.client.ssrc,), True)
    assert scene.flows.flows[Path(CLIENT_A, PUBLIC)][2] is False


def test_fresh_check_from_elsewhere_does_not_draw_the_media_away() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(25)
    # The client's own check, held back by somebody on the path and delivered from his address.
    scene.inject(caller.client.ice.check(scene.now, nominate=True), client=ATTACKER)
    assert_echoes(scene, caller)
    assert caller.session.selected_path == Path(CLIENT_A, PUBLIC)


def test_silent_path_is_left_for_a_nominated_one_without_media() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(5)
    scene.run(1.5)
    move(caller, scene)
    scene.run(0.05)
    assert caller.session.selected_path == Path(CLIENT_B, PUBLIC)


def test_left_path_is_unbound_in_the_end() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(5)
    move(caller, scene)
    caller.speak(5)
    for _ in range(35):
        caller.speak(1)
        scene.run(1.0)
    assert set(scene.flows.flows) == {Path(CLIENT_B, PUBLIC)}
    assert caller.session.paths == (Path(CLIENT_B, PUBLIC),)


def test_replies_follow_a_client_that_is_hashed_onto_another_relay() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(5)
    caller.relay = RELAY_B
    assert_echoes(scene, caller)
    assert caller.session.paths == (Path(CLIENT_A, PUBLIC),)


def test_unauthenticated_packets_do_not_move_the_replies_to_another_relay() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(5)
    through = scene.sent_through[RELAY_B]
    scene.inject(bytes([0x80, 111]) + bytes(60), client=CLIENT_A, relay=RELAY_B)
    scene.inject(bytes([22, 0xFE, 0xFD]) + bytes(10), client=CLIENT_A, relay=RELAY_B)
    assert_echoes(scene, caller)
    assert scene.sent_through[RELAY_B] == through


def test_reused_nat_port_belongs_to_the_new_client() -> None:
    scene = TransceiverScene()
    first = scene.connect()
    first.speak(5)
    scene.callers.remove(first)
    second = scene.connect()
    assert first.session.paths == ()
    assert scene.flows.flows == {Path(CLIENT_A, PUBLIC): (second.session.call_id, (), True)}
    assert_echoes(scene, second)


def test_ice_restart_by_a_new_offer() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(5)
    former = caller.client.ice.remote_ufrag
    answer = scene.hub.renegotiate(caller.session, caller.client.restart_ice(), scene.now)
    # Until the client uses the new credentials the former count.
    assert_echoes(scene, caller)
    caller.client.accept(answer, scene.now)
    assert caller.client.ice.remote_ufrag != former
    caller.address = CLIENT_B
    scene.run(0.2)
    assert_echoes(scene, caller)
    assert caller.listener.ice_restarts == 1
    assert caller.session.local_ufrags == (caller.client.ice.remote_ufrag.encode(),)
    caller.client.ice.remote_ufrag = former
    scene.inject(caller.client.ice.check(scene.now, nominate=True), client=CLIENT_B)
    assert scene.drops == {DropReason.UNKNOWN_UFRAG: 1}


def test_ice_restart_without_an_offer_as_whip_does_it() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    ours = scene.hub.restart_ice(caller.session, IceCredentials("abcd", "p" * 24), scene.now)
    assert ours.ufrag != caller.client.ice.remote_ufrag
    # The same request again, as a client sends it whose response was lost, restarts nothing.
    assert scene.hub.restart_ice(caller.session, IceCredentials("abcd", "p" * 24), scene.now) == ours
    caller.client.ice.start(ours.ufrag, ours.pwd, scene.now)
    scene.run(0.1)
    assert_echoes(scene, caller)
    assert caller.session.local_ufrags == (ours.ufrag.encode(),)


def test_client_that_changes_its_ssrc_is_followed_by_mid() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(5)
    caller.client.ssrc ^= 1
    caller.timestamp += 960
    caller.client.send_audio(b"after", caller.timestamp, mid="0")
    scene.flush(caller)
    scene.run(0.1)
    before, after = caller.listener.audio_frames[-2:]
    assert after.payload == b"after"
    assert after.rtp_timestamp > before.rtp_timestamp
    assert scene.flows.flows[caller.path][1] == (caller.client.ssrc,)


def test_client_that_announces_nothing_is_followed_after_a_pause() -> None:
    scene = TransceiverScene()
    caller = scene.connect(ClientOptions(announce_ssrc=False, mid_extension=False))
    caller.speak(5)
    caller.client.ssrc ^= 1
    caller.speak(5)
    assert scene.drops == {DropReason.UNKNOWN_SSRC: 5}
    scene.run(1.2)
    assert_echoes(scene, caller)
