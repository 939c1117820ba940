"""RTCP: what we report, what we take from the client's reports, and the RTP that both speak of."""

from itertools import pairwise
from struct import pack, unpack_from

from tests.support.transceiver_scene import Caller, TransceiverScene
from tests.support.webrtc_client import MID_ID, ClientOptions
from transceiver.sdp.answer import MAX_MESSAGE_SIZE
from transceiver.session.reporting import REPORT_INTERVAL_S

SENDER_REPORT, RECEIVER_REPORT = 200, 201
SDES = 202


def our_ssrc(caller: Caller) -> int:
    return int(caller.session.answer.split("a=ssrc:")[1].split()[0])


def packet_types(compound: bytes) -> list[int]:
    types, position = [], 0
    while position < len(compound):
        types.append(compound[position + 1])
        position += 4 + 4 * int(unpack_from("!H", compound, position + 2)[0])
    assert position == len(compound)
    return types


def next_report(scene: TransceiverScene, caller: Caller) -> bytes:
    seen = len(caller.client.rtcp)
    scene.run_until(lambda: len(caller.client.rtcp) > seen)
    return caller.client.rtcp[-1]


def test_reports_are_compound_and_describe_both_streams() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    # Long enough that the last report, which may be 1.5 s old, is of the time after the wrap.
    caller.speak(150)
    compound = caller.client.rtcp[-1]
    assert packet_types(compound) == [SENDER_REPORT, SDES]
    ssrc, ntp, timestamp, packets, octets = unpack_from("!IQIII", compound, 4)
    assert ssrc == our_ssrc(caller)
    heard = [packet for packet in caller.client.audio if packet.at <= scene.now]
    assert 0 < packets <= len(heard) + 1
    assert octets == packets * len(heard[0].payload)
    # The timestamp is that of the moment of the NTP time, near the audio sent then.
    assert (timestamp - heard[0].timestamp) % (1 << 32) < 48_000 * 4
    assert 0 <= scene.now - ntp / (1 << 32) < 1.5 * REPORT_INTERVAL_S + 0.1
    about, fraction_and_lost, highest = unpack_from("!III", compound, 28)
    assert about == caller.client.ssrc
    assert fraction_and_lost == 0
    # The sequence numbers have wrapped once.
    assert highest >> 16 == 1


def test_a_listener_gets_receiver_reports() -> None:
    scene = TransceiverScene()
    caller = scene.connect(echo=False)
    caller.speak(100)
    assert {packet_types(compound)[0] for compound in caller.client.rtcp} == {RECEIVER_REPORT}


def test_reports_come_about_once_a_second() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    scene.run(100.0)
    assert 80 <= len(caller.client.rtcp) <= 125


def test_loss_is_reported() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(50)
    scene.up.down = True
    caller.speak(25)
    scene.up.down = False
    caller.speak(100)
    lost = [unpack_from("!I", compound, 32)[0] & 0xFF_FFFF for compound in caller.client.rtcp if len(compound) > 50]
    assert lost[-1] == 25
    assert caller.session.stats().packets_lost == 25
    assert caller.session.stats().packets_received == 150


def test_round_trip_and_loss_are_taken_from_the_clients_reports() -> None:
    scene = TransceiverScene()
    scene.up.delay_s, scene.down.delay_s = 0.03, 0.05
    caller = scene.connect()
    caller.speak(100)
    next_report(scene, caller)
    caller.speak(1)
    compound = next_report(scene, caller)
    assert compound[1] == SENDER_REPORT
    lsr = unpack_from("!Q", compound, 8)[0] >> 16 & 0xFFFF_FFFF
    # Answered half a second after it came in, with a quarter of the packets lost.
    held_s = 0.5
    scene.run(held_s)
    block = pack("!IIIIII", our_ssrc(caller), 64 << 24 | 5, 0, 0, lsr, int(held_s * 65_536))
    caller.client.send_rtcp(pack("!BBHI", 0x81, 201, 7, caller.client.ssrc) + block)
    scene.flush(caller)
    scene.run(0.05)
    stats = caller.session.stats()
    assert stats.round_trip_s is not None
    assert abs(stats.round_trip_s - 0.08) < 0.001
    assert (stats.remote_fraction_lost, stats.remote_packets_lost) == (0.25, 5)


def test_jitter_is_the_deviation_of_arrivals() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(100)
    assert caller.session.stats().jitter_s < 0.001
    scene.up.jitter_s = 0.018
    caller.speak(300)
    assert 0.003 < caller.session.stats().jitter_s < 0.012


def test_timestamps_levels_and_markers_reach_the_listener() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    # Close to the wrap of the timestamp.
    caller.timestamp = (1 << 32) - 2000
    caller.speak(10)
    frames = caller.listener.audio_frames
    assert [frame.rtp_timestamp for frame in frames] == [960 * index for index in range(10)]
    assert [frame.sequence for frame in frames] == list(range(65_501, 65_511))
    assert {frame.level_dbov for frame in frames} == {30}
    assert {frame.codec for frame in frames} == {"opus"}


def test_echoed_packets_are_consecutive_and_of_one_source() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(50)
    heard = caller.client.audio
    assert {packet.ssrc for packet in heard} == {our_ssrc(caller)}
    assert {packet.payload_type for packet in heard} == {111}
    for before, after in pairwise(heard):
        assert (after.sequence - before.sequence) % 65_536 == 1
        assert (after.timestamp - before.timestamp) % (1 << 32) == 960


def test_mid_goes_along_until_the_client_reports_on_our_stream() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(10)
    assert {packet.extension for packet in caller.client.audio} == {bytes([MID_ID << 4]) + b"0" + bytes(2)}
    block = pack("!IIIIII", our_ssrc(caller), 0, 0, 0, 0, 0)
    caller.client.send_rtcp(pack("!BBHI", 0x81, 201, 7, caller.client.ssrc) + block)
    scene.flush(caller)
    scene.run(0.05)
    heard = len(caller.client.audio)
    caller.speak(10)
    assert {packet.extension for packet in caller.client.audio[heard:]} == {b""}


def test_client_that_only_sends_is_sent_no_audio() -> None:
    scene = TransceiverScene()
    caller = scene.connect(ClientOptions(direction="sendonly"))
    caller.speak(50)
    assert len(caller.listener.audio_frames) >= 49
    assert caller.client.audio == []


def test_application_data_goes_both_ways() -> None:
    scene = TransceiverScene(data_channels=True)
    caller = scene.connect(ClientOptions(data_channel=True))
    assert caller.session.has_data_channel
    assert f"a=max-message-size:{MAX_MESSAGE_SIZE}" in caller.session.answer
    caller.client.send_application_data(b"sctp up")
    scene.flush(caller)
    scene.hub.send_application_data(caller.session, b"sctp down", scene.now)
    scene.run(0.1)
    assert caller.listener.data == [b"sctp up"]
    assert caller.client.dtls is not None
    assert caller.client.dtls.application_data == [b"sctp down"]
