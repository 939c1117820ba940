"""Audio scheduled ahead of its time, in a whole session: reports, retransmissions and paths know what has left."""

from struct import pack, unpack_from

import pytest

from tests.support.transceiver_scene import CLIENT_B, Caller, TransceiverScene
from tests.support.webrtc_client import ClientOptions
from transceiver.session.actions import CloseReason

NACK = ClientOptions(extra_attributes=("a=rtcp-fb:111 nack",))
FRAME_S = 0.02


def speak(scene: TransceiverScene, caller: Caller, frames: range, word: bytes = b"speech") -> None:
    """Schedules these frames, the first of them now."""
    for place, number in enumerate(frames):
        payload = word + number.to_bytes(2, "big")
        due = scene.now + place * FRAME_S
        scene.hub.schedule_audio(caller.session, payload, 960 * number, number == 0, due, scene.now)


def heard(caller: Caller) -> list[bytes]:
    return [packet.payload for packet in caller.client.audio]


def test_each_frame_leaves_when_it_is_due() -> None:
    scene = TransceiverScene()
    caller = scene.connect(echo=False)
    began = scene.now
    speak(scene, caller, range(30))
    assert scene.hub.audio_waiting(caller.session) == 29, "the first has left"
    scene.run(1.0)
    assert len(caller.client.audio) == 30
    delay = caller.client.audio[0].at - began
    for number, packet in enumerate(caller.client.audio):
        assert abs(packet.at - began - delay - number * FRAME_S) < 1e-6
        assert packet.timestamp - caller.client.audio[0].timestamp in (960 * number, 960 * number - (1 << 32))
    assert scene.drops == {}


def test_what_is_taken_back_leaves_no_trace() -> None:
    scene = TransceiverScene()
    caller = scene.connect(echo=False)
    speak(scene, caller, range(30))
    scene.run(0.195)
    assert scene.hub.take_back_audio(caller.session) == 20
    assert caller.session.stats().packets_sent == 10
    speak(scene, caller, range(10, 20), b"other ")
    scene.run(1.0)
    assert heard(caller) == [
        word + number.to_bytes(2, "big")
        for word, numbers in ((b"speech", range(10)), (b"other ", range(10, 20)))
        for number in numbers
    ]
    sequences = [packet.sequence for packet in caller.client.audio]
    assert [(later - sequences[0]) % 65_536 for later in sequences] == list(range(20)), "no gap, and none twice"
    assert caller.session.stats().packets_sent == 20


def test_a_sender_report_counts_what_has_left_and_not_what_is_scheduled() -> None:
    scene = TransceiverScene()
    caller = scene.connect(echo=False)
    reports = len(caller.client.rtcp)
    while len(caller.client.rtcp) == reports or caller.client.rtcp[-1][1] != 200:
        speak(scene, caller, range(40))
        scene.run(0.5)
        scene.hub.take_back_audio(caller.session)
    _, _, _, packets, octets = unpack_from("!IQIII", caller.client.rtcp[-1], 4)
    assert 0 < packets <= len(caller.client.audio)
    assert octets == packets * len(b"speech00")


def test_a_packet_that_has_not_left_is_not_sent_again() -> None:
    scene = TransceiverScene()
    caller = scene.connect(NACK, echo=False)
    speak(scene, caller, range(30))
    scene.run(0.195)
    before = len(caller.client.audio)
    last = caller.client.audio[-1].sequence
    ssrc = int(caller.session.answer.split("a=ssrc:")[1].split()[0])
    # The last one that was heard, and the seven that follow it.
    caller.client.send_rtcp(pack("!BBHIIHH", 0x81, 205, 3, caller.client.ssrc, ssrc, last, 0b111_1111))
    scene.flush(caller)
    scene.run(0.05)
    scene.hub.take_back_audio(caller.session)
    speak(scene, caller, range(20, 30), b"other ")
    scene.run(0.5)
    since = [packet.sequence for packet in caller.client.audio[before:]]
    assert since == [(last + 1 + place) % 65_536 for place in range(len(since))]
    assert heard(caller)[-10:] == [b"other " + number.to_bytes(2, "big") for number in range(20, 30)]
    # The one that was heard, and the next, which left while the NACK was under way.
    assert caller.session.stats().packets_repeated == 2


def test_what_is_scheduled_follows_a_client_that_moves() -> None:
    scene = TransceiverScene()
    caller = scene.connect(echo=False)
    speak(scene, caller, range(40))
    scene.run(0.1)
    caller.address = CLIENT_B
    caller.client.ice.start(caller.client.ice.remote_ufrag, caller.client.ice.remote_pwd, scene.now)
    scene.run(0.05)
    caller.speak(1)
    assert caller.session.selected_path == caller.path
    scene.run(1.0)
    # At most what was under way to the old address is missing.
    assert len(caller.client.audio) >= 30
    assert heard(caller)[-25:] == [b"speech" + number.to_bytes(2, "big") for number in range(15, 40)]


@pytest.mark.parametrize("hung_up", [True, False])
def test_a_session_that_ends_sends_nothing_more(hung_up: bool) -> None:
    scene = TransceiverScene()
    caller = scene.connect(echo=False)
    speak(scene, caller, range(30))
    scene.run(0.1)
    count = len(caller.client.audio)
    if hung_up:
        scene.hub.close(caller.session, CloseReason.HANGUP, scene.now)
    else:
        caller.client.close()
        scene.flush(caller)
    scene.run(1.0)
    assert caller.listener.closed_reason is not None
    assert len(caller.client.audio) <= count + 1, "what was under way"
    assert scene.hub.audio_waiting(caller.session) == 0
    scene.hub.schedule_audio(caller.session, b"late", 0, False, scene.now + 1, scene.now)
    assert scene.hub.take_back_audio(caller.session) == 0


def test_what_the_client_reports_is_known_to_have_been_received() -> None:
    scene = TransceiverScene()
    caller = scene.connect(echo=False)

    def report(highest: int) -> int | None:
        ssrc = int(caller.session.answer.split("a=ssrc:")[1].split()[0])
        block = pack("!IIIIII", ssrc, 0, highest, 0, 0, 0)
        caller.client.send_rtcp(pack("!BBHI", 0x81, 201, 7, caller.client.ssrc) + block)
        scene.flush(caller)
        scene.run(0.05)
        return caller.session.speech.unconfirmed

    speak(scene, caller, range(30))
    assert caller.session.speech.unconfirmed is None
    scene.run(0.195)
    first = caller.client.audio[0].sequence
    # By the time the report has been read, three more have left.
    unconfirmed = report((first + 9) % 65_536)
    assert unconfirmed is not None
    assert unconfirmed + 10 == caller.session.stats().packets_sent
    scene.run(1.0)
    assert report((first + 29) % 65_536 | 1 << 16) == 0
    assert report((first + 40) % 65_536) == 0, "what has not left cannot have been received"
