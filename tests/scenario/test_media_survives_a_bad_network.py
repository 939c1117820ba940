"""Handshake and audio under loss, reordering, duplication and delay, the same in every run."""

import pytest

from tests.support.transceiver_scene import TransceiverScene
from tests.support.virtual_network import Conditions
from tests.support.webrtc_client import ClientOptions
from wire.drop import DropReason

HARMLESS = {
    # A datagram that the network doubled, or that was overtaken.
    DropReason.SRTP_REPLAYED,
    DropReason.LATE_PACKET,
    DropReason.REPLAYED_CHECK,
    # Media that overtook the last flight of the handshake.
    DropReason.SRTP_NOT_READY,
    DropReason.UNVALIDATED_FIVE_TUPLE,
}


def bad(loss: float, delay_s: float) -> Conditions:
    return Conditions(loss=loss, duplication=0.05, delay_s=delay_s, jitter_s=0.03)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("setup", ["actpass", "active"])
@pytest.mark.parametrize(("loss", "delay_s"), [(0.05, 0.01), (0.15, 0.05), (0.3, 0.15)])
def test_call_connects_and_audio_arrives_in_order(seed: int, setup: str, loss: float, delay_s: float) -> None:
    scene = TransceiverScene(seed=seed)
    scene.up, scene.down = bad(loss, delay_s), bad(loss, delay_s)
    caller = scene.connect(ClientOptions(setup=setup))
    sent = caller.speak(100)
    scene.run(1.0)

    frames = caller.listener.audio_frames
    order = [sent.index(frame.payload) for frame in frames]
    assert order == sorted(set(order))
    assert len(frames) > 100 * (1 - loss) - 15
    assert set(scene.drops) <= HARMLESS
    # What is missing between two frames is said with the second of them.
    first = order[0]
    assert sum(frame.lost_before for frame in frames) + len(frames) == order[-1] - first + 1


def test_reordered_packets_are_put_right_without_loss() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    scene.up.jitter_s = 0.03
    sent = caller.speak(200)
    scene.run(0.2)
    assert [frame.payload for frame in caller.listener.audio_frames] == sent
    assert all(frame.lost_before == 0 for frame in caller.listener.audio_frames)
    assert scene.drops == {}


def test_missing_packet_delays_the_next_by_no_more_than_two_frames() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(10)
    scene.up.down = True
    caller.speak(1)
    scene.up.down = False
    caller.speak(1, interval_s=0.0)
    received = len(caller.listener.audio_frames)
    start = scene.now
    scene.run_until(lambda: len(caller.listener.audio_frames) > received)
    assert scene.now - start <= scene.up.delay_s + 0.04 + 1e-9
    assert caller.listener.audio_frames[-1].lost_before == 1


def test_call_goes_on_after_a_blackout_of_five_seconds() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(50)
    scene.up.down = scene.down.down = True
    caller.speak(250)
    scene.up.down = scene.down.down = False
    heard = len(caller.listener.audio_frames)
    sent = caller.speak(50)
    scene.run(0.1)
    frames = caller.listener.audio_frames[heard:]
    assert [frame.payload for frame in frames] == sent
    assert frames[0].lost_before == 250
    assert caller.listener.closed_reason is None
    assert caller.session.stats().packets_lost == 250
