"""A client says which packets it misses (generic NACK, RFC 4585): it gets those, once per round trip, and no flood."""

from struct import pack

import pytest

from tests.support.transceiver_scene import Caller, TransceiverScene
from tests.support.webrtc_client import ClientOptions
from transceiver.session.nack import missing_sequences
from transceiver.session.retransmission import CREDIT_PER_PACKET, HISTORY_PACKETS, MAX_CREDIT, MAX_REPEATS
from wire.drop import DropReason

NACK = ClientOptions(extra_attributes=("a=rtcp-fb:111 nack",))


def our_ssrc(caller: Caller) -> int:
    return int(caller.session.answer.split("a=ssrc:")[1].split()[0])


def nack(scene: TransceiverScene, caller: Caller, *entries: tuple[int, int], about: int | None = None) -> None:
    """Sends a NACK of (sequence, bitmask) entries and lets it arrive and be answered."""
    information = b"".join(pack("!HH", *entry) for entry in entries)
    header = pack("!BBHII", 0x81, 205, 2 + len(entries), caller.client.ssrc, about or our_ssrc(caller))
    caller.client.send_rtcp(header + information)
    scene.flush(caller)
    scene.run(0.05)


def heard(caller: Caller) -> list[int]:
    return [packet.sequence for packet in caller.client.audio]


def blacked_out(scene: TransceiverScene, caller: Caller, frames: int) -> list[int]:
    """Lets the client miss `frames` packets and then hear one more; returns what it misses."""
    scene.down.down = True
    caller.speak(frames)
    scene.down.down = False
    caller.speak(1)
    scene.run(0.05)
    last = heard(caller)[-1]
    return [(last - frames + index) % 65_536 for index in range(frames)]


def test_missed_packets_come_again_as_they_were() -> None:
    scene = TransceiverScene()
    caller = scene.connect(NACK)
    caller.speak(10)
    missed = blacked_out(scene, caller, 3)
    before = len(caller.client.audio)
    nack(scene, caller, (missed[0], 0b11))
    again = caller.client.audio[before:]
    assert [packet.sequence for packet in again] == missed
    assert {packet.ssrc for packet in again} == {our_ssrc(caller)}
    frames = caller.listener.audio_frames[-4:-1]
    assert [packet.payload for packet in again] == [frame.payload for frame in frames]
    assert caller.session.stats().packets_repeated == 3
    assert caller.session.stats().packets_sent == 10 + 3 + 1 + 3
    assert scene.drops == {}


def test_bitmask_wraps_with_the_sequence_numbers() -> None:
    assert list(missing_sequences(pack("!HHHH", 65_534, 0b1000_0000_0000_0110, 7, 0))) == [65_534, 0, 1, 14, 7]


def test_unless_negotiated_nothing_is_kept_or_sent_again() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    assert "rtcp-fb:111 nack" not in caller.session.answer
    missed = blacked_out(scene, caller, 3)
    before = len(caller.client.audio)
    nack(scene, caller, (missed[0], 0b11))
    assert len(caller.client.audio) == before
    assert scene.drops == {}


def test_request_within_a_round_trip_of_the_last_is_not_served_twice() -> None:
    scene = TransceiverScene()
    scene.up.delay_s = scene.down.delay_s = 0.0
    caller = scene.connect(NACK)
    caller.speak(1)
    missed = blacked_out(scene, caller, 1)
    before = len(caller.client.audio)
    information = pack("!BBHII", 0x81, 205, 3, caller.client.ssrc, our_ssrc(caller)) + pack("!HH", missed[0], 0)
    for _ in range(4):
        caller.client.send_rtcp(information)
    scene.flush(caller)
    scene.run(0.01)
    assert heard(caller)[before:] == missed


def test_no_packet_is_sent_again_more_than_a_few_times() -> None:
    scene = TransceiverScene()
    caller = scene.connect(NACK)
    caller.speak(1)
    missed = blacked_out(scene, caller, 1)
    scene.down.down = True
    for _ in range(3 * MAX_REPEATS):
        nack(scene, caller, (missed[0], 0))
    assert caller.session.stats().packets_repeated == MAX_REPEATS


def test_old_packets_are_of_no_use_to_a_call() -> None:
    scene = TransceiverScene()
    caller = scene.connect(NACK)
    caller.speak(1)
    missed = blacked_out(scene, caller, 1)
    scene.run(1.0)
    nack(scene, caller, (missed[0], 0))
    assert caller.session.stats().packets_repeated == 0


def test_client_that_asks_for_everything_all_the_time_is_held_to_a_share() -> None:
    scene = TransceiverScene()
    caller = scene.connect(NACK)
    for _ in range(100):
        caller.speak(1)
        last = heard(caller)[-1] if caller.client.audio else 0
        nack(scene, caller, *(((last - 17 * row) % 65_536, 0xFFFF) for row in range(300)))
    stats = caller.session.stats()
    sent = stats.packets_sent - stats.packets_repeated
    assert sent == 100
    assert MAX_CREDIT < stats.packets_repeated <= MAX_CREDIT + CREDIT_PER_PACKET * sent
    assert scene.drops[DropReason.RATE_LIMITED] > 10
    assert set(scene.drops) == {DropReason.RATE_LIMITED}


def test_nack_of_what_was_never_sent_or_of_another_source_asks_for_nothing() -> None:
    scene = TransceiverScene()
    caller = scene.connect(NACK)
    caller.speak(5)
    last = heard(caller)[-1]
    nack(scene, caller, (last + 100, 0xFFFF), (last - 2 * HISTORY_PACKETS, 0))
    nack(scene, caller, (last, 0xFFFF), about=our_ssrc(caller) ^ 1)
    nack(scene, caller)
    assert caller.session.stats().packets_repeated == 0
    assert scene.drops == {}


@pytest.mark.parametrize("loss", [0.05, 0.15, 0.3])
def test_client_that_asks_hears_nearly_all_in_spite_of_loss(loss: float) -> None:
    """The client asks for its gaps every 60 ms, over the same lossy network."""
    scene = TransceiverScene(seed=int(100 * loss))
    caller = scene.connect(NACK)
    caller.speak(1)
    scene.run(0.1)
    scene.down.loss = loss
    first = heard(caller)[0]

    for _ in range(100):
        caller.speak(3)
        known = {(sequence - first) % 65_536 for sequence in heard(caller)}
        gaps = sorted(set(range(max(known))) - known)[-30:]
        for gap in gaps:
            information = pack("!HH", (first + gap) % 65_536, 0)
            caller.client.send_rtcp(pack("!BBHII", 0x81, 205, 3, caller.client.ssrc, our_ssrc(caller)) + information)
        scene.flush(caller)
    scene.down.loss = 0.0
    caller.speak(3)
    scene.run(0.2)
    delivered = len(set(heard(caller))) / (max((sequence - first) % 65_536 for sequence in heard(caller)) + 1)
    assert delivered > 1 - loss / 4
    assert set(scene.drops) <= {DropReason.RATE_LIMITED}


@pytest.mark.parametrize("profile", [b"SRTP_AEAD_AES_128_GCM", b"SRTP_AEAD_AES_256_GCM", b"SRTP_AES128_CM_SHA1_80"])
def test_each_srtp_profile_lets_a_packet_go_out_again(profile: bytes) -> None:
    scene = TransceiverScene()
    caller = scene.connect(ClientOptions(extra_attributes=NACK.extra_attributes, profiles=profile))
    caller.speak(2)
    missed = blacked_out(scene, caller, 1)
    before = len(caller.client.audio)
    nack(scene, caller, (missed[0], 0))
    assert heard(caller)[before:] == missed
