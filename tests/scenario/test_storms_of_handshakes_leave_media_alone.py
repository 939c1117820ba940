"""Handshakes take turns: calls that talk wait for no more than a burst of them, and every caller gets through."""

import random

from tests.support.transceiver_scene import CLIENT_A, TransceiverScene
from tests.support.webrtc_client import ClientOptions
from transceiver.config import SessionLimits
from transceiver.session.dtls import MAX_HANDSHAKE_DATAGRAMS, MAX_WAITING
from transceiver.session.handshake_budget import BURST_STEPS, MAX_WAIT_S, STEPS_PER_SECOND, HandshakeBudget
from wire.address import Address
from wire.drop import DropReason

STORM = 120


def test_in_no_stretch_of_time_are_there_more_turns_than_allowed() -> None:
    budget = HandshakeBudget()
    chance = random.Random(3)
    now, turns, refused = 100.0, [], 0
    for _ in range(20_000):
        # Now and then a pause; else about twice what is allowed.
        now += 0.5 if chance.random() < 0.0005 else chance.random() / STEPS_PER_SECOND
        turn = budget.reserve(now)
        if turn is None:
            refused += 1
        else:
            assert now <= turn <= now + MAX_WAIT_S + 1 / STEPS_PER_SECOND
            turns.append(turn)
    assert refused > 1000
    assert turns == sorted(turns)
    for width in (BURST_STEPS, BURST_STEPS + 20, BURST_STEPS + 1000):
        stretch = min(later - earlier for earlier, later in zip(turns, turns[width:], strict=False))
        assert stretch >= (width - BURST_STEPS) / STEPS_PER_SECOND - 1e-6


def test_talking_calls_lose_nothing_while_many_call_at_once() -> None:
    scene = TransceiverScene(max_sessions=STORM + 1)
    talker = scene.connect()
    talker.speak(5)
    storm = [scene.call(address=Address("198.51.100.9", 20_000 + index)) for index in range(STORM)]
    began = scene.now
    talker.speak(40)
    scene.run_until(lambda: all(caller.client.connected_at is not None for caller in storm))
    # Three steps each, at the pace that is set for them: they wait for their turn, nothing is lost and sent again.
    assert scene.now - began < 3 * STORM / STEPS_PER_SECOND + 0.5
    assert DropReason.DTLS_BUDGET not in scene.drops
    assert len(talker.listener.audio_frames) == len(talker.client.audio) == 45
    assert talker.session.stats().packets_lost == 0


def test_flood_of_handshake_records_is_refused_and_others_get_through() -> None:
    scene = TransceiverScene(max_sessions=STORM, limits=SessionLimits(setup_timeout_s=5.0))
    flooders = []
    for index in range(40):
        flooder = scene.call(ClientOptions(setup="active"), address=Address("198.51.100.9", 20_000 + index))
        flooders.append(flooder)
    scene.run_until(lambda: all(flooder.session.paths for flooder in flooders))
    # The first fragment of a ClientHello of 5000 bytes that never becomes whole.
    message = bytes([1]) + (5000).to_bytes(3, "big") + bytes(5) + (20).to_bytes(3, "big") + bytes(20)
    junk = bytes([22, 0xFE, 0xFD]) + bytes(8) + len(message).to_bytes(2, "big") + message
    for flooder in flooders:
        for _ in range(3 * MAX_HANDSHAKE_DATAGRAMS):
            scene.inject(junk, client=flooder.address)
    assert scene.drops[DropReason.DTLS_BUDGET] >= 40 * (3 * MAX_HANDSHAKE_DATAGRAMS - MAX_WAITING) - BURST_STEPS
    caller = scene.connect(address=CLIENT_A)
    caller.speak(5)
    assert len(caller.listener.audio_frames) == 5
