"""Real speech over a seeded network, decoded: what a model hears of it, compared with what was said."""

import random

import pytest

from tests.support.listening_scene import ListeningScene
from tests.support.speech import frames_of_speech, likeness, speech
from tests.support.transceiver_scene import CLIENT_B
from tests.support.virtual_network import Conditions
from transceiver.audio.counters import AudioCounters
from transceiver.audio.input_stream import InputStream
from transceiver.session.actions import AudioReceived

FRAMES = 355


def tell(name: str, scene: ListeningScene) -> float:
    alike = likeness(scene.samples, speech(), longest_lag_ms=600)
    print(
        f"{name}: likeness {alike:.3f}, concealed {scene.counters.concealed_us / 1000:.0f} ms, "
        f"delay p50 {scene.delay_ms(50):.0f} p95 {scene.delay_ms(95):.0f} ms, "
        f"target {scene.stream.delay.target_s * 1000:.0f} ms, "
        f"inserted {scene.counters.inserted_us / 1000:.0f} ms"
    )
    return alike


@pytest.mark.parametrize("codec", ["opus", "PCMU", "PCMA"])
def test_a_good_network_is_heard_at_once_and_whole(codec: str) -> None:
    scene = ListeningScene(codec=codec)
    scene.say(frames_of_speech(codec)[:FRAMES])
    assert tell(codec, scene) > 0.95
    assert scene.concealed_share < 0.02
    assert scene.delay_ms(95) < 1


@pytest.mark.parametrize(
    ("loss", "least"), [(0.0, 0.95), (0.02, 0.9), (0.05, 0.85), (0.1, 0.8), (0.2, 0.75), (0.3, 0.7)]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_lost_packets_are_concealed(loss: float, least: float, seed: int) -> None:
    scene = ListeningScene(seed=seed)
    scene.scene.up = Conditions(loss=loss, delay_s=0.03)
    scene.say(frames_of_speech("opus", loss_percent=int(loss * 100))[:FRAMES])
    assert tell(f"loss {loss:.0%}", scene) > least
    # A loss is never longer than what was lost: media time goes on with the client's clock.
    assert abs(scene.stream.media_time_us - FRAMES * 20_000) <= 150_000


def test_a_burst_of_losses_becomes_a_fading_sound_and_then_silence() -> None:
    scene = ListeningScene()
    frames = frames_of_speech("opus")
    scene.say(frames[:100])
    scene.scene.up.down = True
    scene.say(frames[100:120])
    scene.scene.up.down = False
    scene.say(frames[120:FRAMES])
    tell("burst of 400 ms", scene)
    lost = [pcm for pcm in scene.heard if pcm.concealed]
    assert 380_000 <= sum(pcm.duration_us for pcm in lost) <= 460_000
    assert max(pcm.level_dbov for pcm in lost) == 127


@pytest.mark.parametrize("jitter_ms", [20, 60, 150, 300])
def test_jitter_and_reordering_lose_little(jitter_ms: int) -> None:
    scene = ListeningScene()
    scene.scene.up = Conditions(delay_s=0.02, jitter_s=jitter_ms / 1000, duplication=0.1)
    scene.say(frames_of_speech("opus")[:FRAMES])
    scene.scene.run(0.5)
    assert tell(f"jitter {jitter_ms} ms", scene) > 0.9
    assert scene.delay_ms(95) < jitter_ms + 60


def test_everything_at_once() -> None:
    scene = ListeningScene()
    scene.scene.up = Conditions(loss=0.1, delay_s=0.1, jitter_s=0.1, duplication=0.1)
    scene.say(frames_of_speech("opus", loss_percent=10)[:FRAMES])
    scene.scene.run(0.5)
    assert tell("10 % loss, 100 ms delay, 100 ms jitter", scene) > 0.8


def test_a_blackout_of_five_seconds_is_silence_and_then_speech() -> None:
    scene = ListeningScene()
    frames = frames_of_speech("opus", seconds=14.2)
    scene.say(frames[:100])
    scene.scene.up.down = scene.scene.down.down = True
    scene.say(frames[100:350])
    scene.scene.up.down = scene.scene.down.down = False
    before = len(scene.heard)
    scene.say(frames[350:500])
    print(f"blackout of 5 s: media time {scene.stream.media_time_us / 1e6:.2f} s of 10, {scene.counters}")
    assert abs(scene.stream.media_time_us - 10_000_000) <= 200_000
    assert not any(pcm.concealed for pcm in scene.heard[before + 5 :])


def test_a_stall_delays_speech_and_loses_none_of_it() -> None:
    scene = ListeningScene()
    frames = frames_of_speech("opus")
    scene.say(frames[:100])
    # A queue on the way: what is sent meanwhile comes out of it at once.
    for waiting in range(15):
        scene.scene.up.delay_s = 0.31 - 0.02 * waiting
        scene.say([frames[100 + waiting]])
    scene.scene.up.delay_s = 0.01
    scene.say(frames[115:FRAMES])
    assert tell("stall of 300 ms", scene) > 0.6
    assert scene.counters.inserted_us > 200_000
    # All that was said has been heard: what made up for the wait came on top, less the silence left out since.
    on_top_us = scene.counters.inserted_us - scene.counters.removed_us
    assert abs(scene.stream.media_time_us - FRAMES * 20_000 - on_top_us) <= 40_000


@pytest.mark.parametrize("pause_s", [0.5, 1.5, 3.0])
def test_a_client_whose_clock_stands_still_while_it_sends_nothing_is_not_late(pause_s: float) -> None:
    scene = ListeningScene()
    frames = frames_of_speech("opus")
    for part in range(3):
        # Its timestamps count what it sends, as those of a track that comes and goes.
        scene.say(frames[100 * part : 100 * part + 100])
        scene.scene.run(pause_s)
    lag_us = round(scene.scene.now * 1e6) - scene.stream.media_time_us
    scene.scene.run(1.0)
    on_time_us = round(scene.scene.now * 1e6) - scene.stream.media_time_us
    print(f"stood for {pause_s} s: target {scene.stream.delay.target_s * 1000:.0f} ms, {scene.counters}")
    assert scene.stream.delay.target_s < 0.06
    assert scene.counters.removed_us < 100_000
    # Its silence is heard while it lasts: turns end by it.
    assert abs(on_time_us - lag_us) <= 20_000
    assert scene.delay_ms(100) < 200


def test_a_caller_whose_address_changes_is_heard_on() -> None:
    scene = ListeningScene()
    frames = frames_of_speech("opus")
    scene.say(frames[:150])
    scene.caller.address = CLIENT_B
    ice = scene.caller.client.ice
    ice.start(ice.remote_ufrag, ice.remote_pwd, scene.scene.now)
    scene.say(frames[150:FRAMES])
    assert tell("NAT rebinding", scene) > 0.85


@pytest.mark.parametrize("ppm", [200, -200])
def test_an_hour_of_a_clock_that_drifts_leaves_no_trace(ppm: int) -> None:
    counters = AudioCounters()
    stream = InputStream("opus", 48_000, counters)
    network = random.Random(1)
    frame = frames_of_speech("opus")[50]
    largest_s = 0.0
    now = 0.0
    for number in range(3600 * 50):
        # What comes in order is passed on at once, so that delay is the network's alone.
        now = max(now, number * 0.02 / (1 + ppm / 1e6) + 0.03 + network.random() * 0.02)
        stream.delay.arrived(number * 960, now)
        stream.receive(AudioReceived(frame, "opus", number * 960, number, False, 30, 0), now)
        for _ in stream.take_jobs():
            stream.decoded((30, False, []))
        largest_s = max(largest_s, stream.delay.target_s)
    print(f"{ppm:+} ppm for an hour: concealed {counters.concealed_us} us, largest target {largest_s * 1000:.0f} ms")
    assert counters.concealed_us == counters.silence_us == counters.removed_us == 0
    assert stream.media_time_us == 3_600_000_000
    assert largest_s < 0.06
