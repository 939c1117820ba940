"""Round trips from the answer to DTLS and to media, and no wait for a nomination."""

from tests.support.transceiver_scene import TransceiverScene
from tests.support.webrtc_client import ClientOptions

ROUND_TRIP_S = 0.1


def scene_with_delay() -> TransceiverScene:
    scene = TransceiverScene()
    scene.up.delay_s = scene.down.delay_s = ROUND_TRIP_S / 2
    return scene


def test_client_hello_leaves_with_the_first_response() -> None:
    scene = scene_with_delay()
    start = scene.now
    caller = scene.connect()
    assert caller.client.connected_at is not None
    assert caller.listener.connected_at is not None
    # check → response and ClientHello → ServerHello… → Finished → Finished
    assert caller.client.connected_at - start <= 1.5 * ROUND_TRIP_S + ROUND_TRIP_S / 2 + 0.001
    assert caller.listener.connected_at - start <= 2.5 * ROUND_TRIP_S + 0.001


def test_client_that_never_nominates_is_served_all_the_same() -> None:
    scene = scene_with_delay()
    start = scene.now
    caller = scene.connect(ClientOptions(nominate_from=10**9))
    assert scene.now - start <= 2.5 * ROUND_TRIP_S + 0.001
    sent = caller.speak(10)
    scene.run(0.3)
    assert [packet.payload for packet in caller.client.audio] == sent


def test_lost_client_hello_costs_a_tenth_of_a_second() -> None:
    scene = scene_with_delay()
    caller = scene.call()
    start = scene.now
    scene.run(ROUND_TRIP_S / 2 - 0.001)
    scene.down.down = True
    scene.run(0.002)
    scene.down.down = False
    scene.run_until(lambda: caller.listener.connected_at is not None)
    assert scene.now - start <= 2.5 * ROUND_TRIP_S + 0.1
