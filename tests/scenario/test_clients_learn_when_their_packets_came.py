"""Transport-wide congestion control: feedback says of every packet of the client whether it came, and when."""

from itertools import pairwise
from struct import unpack_from

import pytest

from tests.support.transceiver_scene import Caller, TransceiverScene
from tests.support.webrtc_client import TRANSPORT_CC_ID, ClientOptions
from transceiver.media_port.arrivals import FEEDBACK_INTERVAL_S, MAX_ARRIVALS, ArrivalLog
from transceiver.media_port.transport_feedback import build_transport_feedback

NUMBERED = ClientOptions(transport_cc=True)


def read_feedback(packet: bytes) -> tuple[int, int, dict[int, float], int]:
    """(media SSRC, base, sequence → arrival in seconds modulo the reference time's range, status count)."""
    assert (packet[0] & 0xDF, packet[1]) == (0x8F, 205)
    assert len(packet) == 4 + 4 * int(unpack_from("!H", packet, 2)[0])
    media_ssrc, base, count = unpack_from("!IHH", packet, 8)
    ticks = int.from_bytes(packet[16:19], "big") * 256
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    symbols: list[int] = []
    position = 20
    while len(symbols) < count:
        chunk = int(unpack_from("!H", packet, position)[0])
        position += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * (chunk & 0x1FFF)
        elif not chunk & 0x4000:
            symbols += [chunk >> bit & 1 for bit in range(13, -1, -1)]
        else:
            symbols += [chunk >> bit & 3 for bit in range(12, -1, -2)]
    arrivals = {}
    for index, symbol in enumerate(symbols[:count]):
        if symbol:
            delta = packet[position] if symbol == 1 else unpack_from("!h", packet, position)[0]
            ticks += delta
            position += symbol
            arrivals[(base + index) % 65_536] = ticks / 4000
    assert position == end
    return media_ssrc, base, arrivals, count


def feedback_of(caller: Caller) -> list[bytes]:
    return [packet for packet in caller.client.rtcp if packet[1] == 205]


def test_every_packet_is_reported_once_with_its_time() -> None:
    scene = TransceiverScene()
    caller = scene.connect(NUMBERED)
    assert f"a=extmap:{TRANSPORT_CC_ID} http://www.ietf.org/id/draft-holmer" in caller.session.answer
    began = scene.now
    caller.speak(100)
    # What nothing came after is told with the next report.
    scene.run(1.6)
    reported: dict[int, float] = {}
    bases = []
    for packet in feedback_of(caller):
        media_ssrc, base, arrivals, _ = read_feedback(packet)
        assert media_ssrc == caller.client.ssrc
        assert not arrivals.keys() & reported.keys()
        reported |= arrivals
        bases.append(base)
    assert list(reported) == [(65_501 + index) % 65_536 for index in range(100)]
    for index, at in enumerate(reported.values()):
        assert at % 64 == pytest.approx((began + 0.02 * index + 0.01) % 64, abs=0.0003)
    # No more often than announced.
    assert len(bases) <= 2.3 / FEEDBACK_INTERVAL_S


def test_what_was_lost_is_reported_as_such() -> None:
    scene = TransceiverScene(seed=4)
    caller = scene.connect(NUMBERED)
    scene.up.loss = 0.2
    caller.speak(200)
    scene.up.loss = 0.0
    caller.speak(1)
    scene.run(1.6)
    seen: list[int] = []
    first = count = 0
    for packet in feedback_of(caller):
        _, base, arrivals, statuses = read_feedback(packet)
        if seen:
            assert base == (first + count) % 65_536
        else:
            first = base
        seen += arrivals
        count += statuses
    assert len(seen) == len(caller.listener.audio_frames) == caller.session.stats().packets_received
    assert 120 < len(seen) < 201


def test_reordered_packets_have_negative_deltas_and_are_reported_once() -> None:
    scene = TransceiverScene(seed=2)
    caller = scene.connect(NUMBERED)
    scene.up.jitter_s = 0.07
    caller.speak(200)
    scene.run(1.6)
    received: set[int] = set()
    negative = 0
    for packet in feedback_of(caller):
        arrivals = read_feedback(packet)[2]
        received |= arrivals.keys()
        times = list(arrivals.values())
        negative += sum(later < earlier for earlier, later in pairwise(times))
    assert len(received) == 200
    assert negative > 10


def test_feedback_goes_in_a_compound_packet_where_reduced_size_was_not_offered() -> None:
    scene = TransceiverScene()
    caller = scene.connect(ClientOptions(transport_cc=True, reduced_size=False))
    caller.speak(50)
    assert feedback_of(caller) == []
    # An empty receiver report of 8 bytes, the CNAME, then the feedback.
    rest = [packet[8:] for packet in caller.client.rtcp if packet[:2] == bytes([0x80, 201])]
    assert len(rest) >= 3
    for packet in rest:
        assert packet[1] == 202
        assert read_feedback(packet[4 + 4 * int(unpack_from("!H", packet, 2)[0]) :])[2]


def test_client_that_does_not_number_its_packets_gets_no_feedback() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(50)
    assert feedback_of(caller) == []


def test_written_as_others_read_it() -> None:
    """One packet, 37 ms after its reference time: the bytes that Pion's tests take from a browser."""
    expected = bytes.fromhex("afcd0005fa17fa1743032fa0009900013de8021720019401")
    arrival = 0x3DE802 * 256 + 0x94
    assert build_transport_feedback(0xFA17FA17, 0x43032FA0, 0x99, [arrival], 0x17) == expected


@pytest.mark.parametrize(
    "arrivals",
    [
        [0, None, 300, None, 299, *[None] * 20, 32_000, *range(32_000, 32_040), None, 33_000],
        [5, *[None] * 9000, 6, 7],
        [10, *range(5000, 50, -600)],
        [255, 510, 766, 511, None, 512],
    ],
)
def test_any_pattern_is_read_back(arrivals: list[int | None]) -> None:
    packet = build_transport_feedback(1, 2, 65_530, arrivals, 0)
    _, base, read, count = read_feedback(packet)
    assert (base, count) == (65_530, len(arrivals))
    expected = {(65_530 + index) % 65_536: at / 4000 for index, at in enumerate(arrivals) if at is not None}
    assert read == expected


def test_client_that_numbers_wildly_is_answered_within_bounds() -> None:
    log = ArrivalLog()
    now = 50.0
    for sequence in range(0, 900 * 20 * MAX_ARRIVALS, 900):
        log.received(sequence % 65_536, now)
        now += 0.0005
        packet = log.feedback(1, 2, now)
        assert packet is None or len(packet) < 1200
    for sequence in (0, 40_000, 1, 30_000, 65_535, 32_768):
        log.received(sequence, now)
    now += FEEDBACK_INTERVAL_S
    packet = log.feedback(1, 2, now)
    assert packet is not None
    assert read_feedback(packet)[2].keys() == {32_768}
    assert log.feedback(1, 2, now) is None
