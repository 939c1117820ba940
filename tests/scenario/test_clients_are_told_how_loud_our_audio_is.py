"""RFC 6464: the level of our audio, where it is known, in the header extension that the client has offered."""

from struct import pack

from tests.support.transceiver_scene import Caller, TransceiverScene
from tests.support.webrtc_client import LEVEL_ID, MID_ID
from transceiver.sdp.offer import AUDIO_LEVEL_URI

LEVELS = (0, 30, 49, 50, 90, 127)
VOICE = 0x80


def say(scene: TransceiverScene, caller: Caller, levels: tuple[int | None, ...]) -> list[bytes]:
    """Extension elements of frames as loud as this."""
    heard = len(caller.client.audio)
    for number, level in enumerate(levels):
        due = scene.now + 0.001
        scene.hub.schedule_audio(caller.session, b"opus", 960 * number, False, due, scene.now, level)
        scene.run(0.02)
    scene.run(0.1)
    return [packet.extension for packet in caller.client.audio[heard:]]


def reports(scene: TransceiverScene, caller: Caller) -> None:
    """The client shows that it has found our stream."""
    ssrc = int(caller.session.answer.split("a=ssrc:")[1].split()[0])
    block = pack("!IIIIII", ssrc, 0, 0, 0, 0, 0)
    caller.client.send_rtcp(pack("!BBHI", 0x81, 201, 7, caller.client.ssrc) + block)
    scene.flush(caller)
    scene.run(0.05)


def level_element(level: int) -> bytes:
    return bytes([LEVEL_ID << 4, level | (VOICE if level < 50 else 0)])


def test_each_packet_carries_its_level_beside_the_mid_and_alone() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    mid = bytes([MID_ID << 4]) + b"0"
    assert say(scene, caller, LEVELS) == [mid + level_element(level) for level in LEVELS]
    reports(scene, caller)
    assert say(scene, caller, LEVELS) == [level_element(level) + bytes(2) for level in LEVELS]


def test_a_level_that_nobody_knows_is_not_told() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    reports(scene, caller)
    assert say(scene, caller, (None, 20, None)) == [b"", level_element(20) + bytes(2), b""]


def test_a_client_that_has_not_offered_it_is_not_told() -> None:
    scene = TransceiverScene()
    caller = scene.connect(rewrite=lambda sdp: sdp.replace(AUDIO_LEVEL_URI, "urn:example:other"))
    reports(scene, caller)
    assert say(scene, caller, LEVELS) == [b""] * len(LEVELS)
