"""Telephone events (RFC 4733): each press is told once, with its key and length, whatever of it gets lost."""

from collections.abc import Iterable
from struct import pack

import pytest

from tests.support.transceiver_scene import Caller, TransceiverScene
from transceiver.session.actions import KeyPressed
from transceiver.session.rtp import RtpPacket
from transceiver.session.telephone_events import KEYS, TelephoneEvents
from wire.drop import DropReason

FRAME = 960


def press(scene: TransceiverScene, caller: Caller, key: str, frames: int, *, lose: Iterable[int] = ()) -> None:
    """Presses a key for `frames` frames as Chromium does: an update per 20 ms, then the end three times.

    `lose` are the indexes of packets that do not arrive.
    """
    start = caller.timestamp = (caller.timestamp + FRAME) % (1 << 32)
    for index in range(frames + 2):
        flags = 0x80 if index >= frames - 1 else 0
        duration = min(frames, index + 1) * FRAME
        packet = caller.client.event_packet(
            pack("!BBH", KEYS.index(key), flags | 10, duration), start, marker=index == 0
        )
        if index not in set(lose):
            scene.inject(caller.client.protect(packet), client=caller.address)
        scene.run(0.02)
    caller.timestamp = (start + (frames + 1) * FRAME) % (1 << 32)


def test_press_is_told_when_it_ends_and_speech_goes_on() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    assert "a=rtpmap:110 telephone-event/48000" in caller.session.answer
    caller.speak(5)
    press(scene, caller, "#", 6)
    caller.speak(5)
    assert caller.listener.keys == [KeyPressed("#", 120)]
    frames = caller.listener.audio_frames
    assert len(frames) == 10
    # The time of the press has passed for the speech too, and nothing is missing.
    assert [frame.rtp_timestamp // FRAME for frame in frames] == [0, 1, 2, 3, 4, 13, 14, 15, 16, 17]
    assert all(frame.lost_before == 0 for frame in frames)
    assert caller.session.stats().packets_lost == 0
    assert caller.session.stats().jitter_s < 0.001
    assert scene.drops == {}


def test_every_key_has_its_name() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    for key in KEYS:
        press(scene, caller, key, 3)
    assert [pressed.key for pressed in caller.listener.keys] == list("0123456789*#ABCD")


def test_same_key_twice_is_two_presses() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    press(scene, caller, "5", 4)
    press(scene, caller, "5", 4)
    assert caller.listener.keys == [KeyPressed("5", 80)] * 2


@pytest.mark.parametrize(
    ("lost", "duration_ms"),
    [((0,), 120), ((0, 1, 2, 3, 4), 120), ((5,), 120), ((5, 6), 120), ((6, 7), 120), ((5, 6, 7), 100)],
)
def test_loss_neither_hides_nor_repeats_a_press(lost: tuple[int, ...], duration_ms: int) -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(3)
    press(scene, caller, "7", 6, lose=lost)
    # With all three ends lost, speech after it shows that it is over.
    caller.speak(15)
    assert caller.listener.keys == [KeyPressed("7", duration_ms)]
    assert sum(frame.lost_before for frame in caller.listener.audio_frames) == len(lost)


def test_next_press_ends_one_whose_end_is_lost() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    press(scene, caller, "1", 3, lose=(2, 3, 4))
    press(scene, caller, "2", 3)
    assert caller.listener.keys == [KeyPressed("1", 40), KeyPressed("2", 60)]


def test_reordered_packets_make_the_same_presses() -> None:
    scene = TransceiverScene(seed=9)
    caller = scene.connect()
    scene.up.jitter_s, scene.up.duplication = 0.035, 0.2
    for key in "0123456789":
        start = caller.timestamp = caller.timestamp + 10 * FRAME
        for index in range(7):
            payload = pack("!BBH", KEYS.index(key), 0x80 if index >= 4 else 0, min(5, index + 1) * FRAME)
            caller.client.send_rtp(caller.client.event_packet(payload, start, marker=index == 0))
            scene.flush(caller)
            scene.run(0.02)
    scene.run(0.2)
    assert caller.listener.keys == [KeyPressed(key, 100) for key in "0123456789"]


def test_press_longer_than_the_duration_field_is_one_press() -> None:
    events = TelephoneEvents(48_000)
    sent = 0
    for segment in range(3):
        start = 4_294_950_000 + segment * 65_280
        for duration in range(960, 65_281, 960):
            last = segment == 2 and duration == 65_280
            payload = pack("!BBH", 4, 0x80 if last else 0, duration)
            marker = segment == 0 and duration == 960
            events.receive(RtpPacket(110, marker, sent % 65_536, start % (1 << 32), 7, payload, {}), 0.02 * sent)
            sent += 1
    assert events.take_finished() == [KeyPressed("4", 3 * 65_280 // 48)]


def test_other_events_are_passed_over_and_broken_ones_counted() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    flash = caller.client.event_packet(pack("!BBH", 16, 0x80, 960), 0, marker=True)
    scene.inject(caller.client.protect(flash), client=caller.address)
    broken = caller.client.event_packet(b"\x05\x80\x03", 0, marker=True)
    scene.inject(caller.client.protect(broken), client=caller.address)
    assert caller.listener.keys == []
    assert scene.drops == {DropReason.MALFORMED_RTP: 1}
