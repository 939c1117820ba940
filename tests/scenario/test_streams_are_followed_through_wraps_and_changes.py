"""The client's stream as it wraps, leaps and changes its SSRC, and its header extensions in each form and numbering."""

from itertools import pairwise
from struct import pack, unpack_from

import pytest

from tests.support.transceiver_scene import Caller, TransceiverScene
from tests.support.virtual_network import Conditions
from tests.support.webrtc_client import LEVEL_ID, MID_ID, OPUS, ClientOptions
from wire.drop import DropReason

LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
FRAME = 960


def say(scene: TransceiverScene, caller: Caller, extension: bytes = b"", *, ssrc: int | None = None) -> None:
    """One packet with a header extension as given (profile and length included)."""
    client = caller.client
    client.sequence = (client.sequence + 1) % 65_536
    caller.timestamp = (caller.timestamp + FRAME) % (1 << 32)
    header = pack("!BBHII", 0x90 if extension else 0x80, OPUS, client.sequence, caller.timestamp, ssrc or client.ssrc)
    client.send_rtp(header + extension + b"voice")
    scene.flush(caller)
    scene.run(0.02)


def one_byte(*elements: tuple[int, bytes]) -> bytes:
    body = b"".join(bytes([identifier << 4 | len(data) - 1]) + data for identifier, data in elements)
    body += bytes(-len(body) % 4)
    return pack("!HH", 0xBEDE, len(body) // 4) + body


def two_byte(*elements: tuple[int, bytes]) -> bytes:
    body = b"".join(bytes([identifier, len(data)]) + data for identifier, data in elements)
    body += bytes(-len(body) % 4)
    return pack("!HH", 0x1000, len(body) // 4) + body


@pytest.mark.parametrize("conditions", [Conditions(), Conditions(loss=0.1, duplication=0.1, jitter_s=0.03)])
def test_timestamp_wraps_many_times_without_a_seam(conditions: Conditions) -> None:
    scene = TransceiverScene(seed=3)
    caller = scene.connect(echo=False)
    scene.up = conditions
    # Twelve minutes pass from packet to packet, so that the timestamp wraps every 128 of them.
    step = 1 << 25
    for _ in range(400):
        caller.timestamp = (caller.timestamp + step - FRAME) % (1 << 32)
        caller.speak(1)
    scene.run(0.1)
    frames = caller.listener.audio_frames
    assert len(frames) > 330
    assert frames[-1].rtp_timestamp > 2 * (1 << 32)
    for before, after in pairwise(frames):
        assert after.sequence > before.sequence
        assert after.rtp_timestamp - before.rtp_timestamp == (after.sequence - before.sequence) * step
        assert after.lost_before == after.sequence - before.sequence - 1
    assert set(scene.drops) <= {DropReason.SRTP_REPLAYED, DropReason.LATE_PACKET}


def test_sequence_wraps_many_times_without_a_seam() -> None:
    scene = TransceiverScene()
    caller = scene.connect(echo=False)
    for _ in range(200):
        caller.client.sequence = (caller.client.sequence + 1999) % 65_536
        caller.speak(1)
    scene.run(0.1)
    frames = caller.listener.audio_frames
    assert [frame.sequence for frame in frames[1:]] == [frames[0].sequence + 2000 * index for index in range(1, 200)]
    assert {frame.lost_before for frame in frames[1:]} == {1999}
    assert caller.session.stats().packets_lost == 199 * 1999


def test_echo_wraps_too() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    for _ in range(66_000 // 500):
        for _ in range(500):
            scene.hub.send_audio(caller.session, b"tone", 0, False, scene.now)
        scene.run(0.02)
    sequences = [packet.sequence for packet in caller.client.audio]
    assert len(sequences) == 66_000
    assert all((after - before) % 65_536 == 1 for before, after in pairwise(sequences))


@pytest.mark.parametrize("says_bye", [True, False])
def test_a_source_that_says_goodbye_makes_room_for_the_next_at_once(says_bye: bool) -> None:
    scene = TransceiverScene()
    caller = scene.connect(ClientOptions(mid_extension=False, announce_ssrc=False))
    caller.speak(10)
    if says_bye:
        goodbye = pack("!BBHII", 0x80, 201, 1, caller.client.ssrc, 0)[:8] + pack(
            "!BBHI", 0x81, 203, 1, caller.client.ssrc
        )
        caller.client.send_rtcp(goodbye)
        scene.flush(caller)
        scene.run(0.02)
    caller.client.ssrc = 0x0BADCAFE
    caller.speak(10)
    assert len(caller.listener.audio_frames) == (20 if says_bye else 10)
    assert caller.listener.closed_reason is None


def test_announced_ssrcs_follow_one_another_without_mid() -> None:
    second = 0x0BADCAFE
    scene = TransceiverScene()
    caller = scene.connect(ClientOptions(mid_extension=False, extra_attributes=(f"a=ssrc:{second} cname:client",)))
    caller.speak(10)
    caller.client.ssrc, caller.client.sequence = second, 7
    scene.run(0.5)
    caller.timestamp = 123_456_789
    caller.speak(10)
    frames = caller.listener.audio_frames
    assert len(frames) == 20
    assert all(frame.lost_before == 0 for frame in frames)
    gap = frames[10].rtp_timestamp - frames[9].rtp_timestamp
    assert gap == pytest.approx(0.52 * 48_000, abs=2)
    # Reports and flows are about the new source.
    assert caller.session.ssrcs == (second,)
    assert scene.flows.flows[caller.path][1] == (second,)
    scene.run(2.0)
    caller.speak(1)
    scene.run(2.0)
    reports = [packet for packet in caller.client.rtcp if packet[0] & 0x1F]
    assert unpack_from("!I", reports[-1], 28 if reports[-1][1] == 200 else 8)[0] == second


def test_sender_that_begins_to_number_anew_is_followed() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(10)
    caller.client.sequence = (caller.client.sequence + 20_000) % 65_536
    caller.speak(10)
    frames = caller.listener.audio_frames
    assert [frame.lost_before for frame in frames] == [0] * 20
    assert caller.session.stats().packets_lost == 0


@pytest.mark.parametrize(
    "extension",
    [
        one_byte((LEVEL_ID, b"\x9e")),
        one_byte((9, b"unknown"), (LEVEL_ID, b"\x1e")),
        bytes.fromhex("bede0002 00 10 1e 00 00 00 00 00"),
        two_byte((LEVEL_ID, b"\x9e")),
        two_byte((200, b"x" * 40), (LEVEL_ID, b"\x1e")),
        two_byte((9, b""), (LEVEL_ID, b"\x9e\x00")),
        bytes.fromhex("100f0002 00 00 00 01 01 9e 00 00"),
    ],
)
def test_level_is_read_from_either_form_of_header_extension(extension: bytes) -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    say(scene, caller, extension)
    frame = caller.listener.audio_frames[0]
    # The upper bit says whether it is speech (RFC 6464 section 3).
    assert (frame.level_dbov, frame.payload) == (30, b"voice")


@pytest.mark.parametrize(
    "extension",
    [b"", one_byte((2, b"\x1e")), two_byte((LEVEL_ID, b"")), pack("!HHI", 0xABCD, 1, 0x101E0000)],
)
def test_packet_without_a_level_has_none(extension: bytes) -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    say(scene, caller, extension)
    assert caller.listener.audio_frames[0].level_dbov is None
    assert caller.listener.audio_frames[0].payload == b"voice"


def test_extension_ids_above_fourteen_are_read_in_the_two_byte_form() -> None:
    def renumbered(offer: str) -> str:
        return offer.replace(f"a=extmap:{LEVEL_ID} ", "a=extmap:77 ").replace(f"a=extmap:{MID_ID} ", "a=extmap:78 ")

    scene = TransceiverScene()
    caller = scene.connect(rewrite=renumbered)
    assert f"a=extmap:77 {LEVEL_URI}" in caller.session.answer
    say(scene, caller, two_byte((77, b"\x1e"), (78, b"0")))
    assert caller.listener.audio_frames[0].level_dbov == 30
    # Ours carry the MID under its number too, which only that form can hold.
    assert caller.client.audio[0].extension[:3] == bytes([78, 1]) + b"0"


def test_numbering_of_another_section_is_not_that_of_the_audio() -> None:
    """Video, which is rejected, numbers the same extensions the other way round."""

    def with_video(offer: str) -> str:
        video = f"m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\na=extmap:{MID_ID} {LEVEL_URI}\r\n"
        video += f"a=extmap:{LEVEL_ID} {MID_URI}\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
        return offer.replace("a=group:BUNDLE 0", "a=group:BUNDLE v 0").replace("m=audio", video + "m=audio")

    scene = TransceiverScene()
    caller = scene.connect(rewrite=with_video)
    say(scene, caller, one_byte((LEVEL_ID, b"\x1e"), (MID_ID, b"0")))
    assert caller.listener.audio_frames[0].level_dbov == 30
    # A packet of the section that was rejected is nobody's.
    say(scene, caller, one_byte((MID_ID, b"v")), ssrc=0x7777)
    assert scene.drops == {DropReason.UNKNOWN_SSRC: 1}


def test_numbers_given_for_all_sections_hold_for_the_audio() -> None:
    def at_session_level(offer: str) -> str:
        line = f"a=extmap:{LEVEL_ID} {LEVEL_URI}\r\n"
        return offer.replace(line, "").replace("a=msid-semantic", f"{line}a=msid-semantic")

    scene = TransceiverScene()
    caller = scene.connect(rewrite=at_session_level)
    assert f"a=extmap:{LEVEL_ID} {LEVEL_URI}" in caller.session.answer
    caller.speak(1)
    assert caller.listener.audio_frames[0].level_dbov == 30
