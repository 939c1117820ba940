"""Offers whose clients never come, a hundred thousand of them: bounded, counted, unnoticed by the call beside them."""

import asyncio

import pytest

from tests.support.transceiver_scene import CLIENT_A, CLIENT_B, RecordingListener, TransceiverScene
from tests.support.webrtc_client import WebRtcClient
from transceiver.calls.call_service import CallService
from transceiver.calls.errors import TooManyConnecting
from transceiver.calls.placing import WorkerCalls
from transceiver.config import SessionLimits
from transceiver.hub import TooManyConnecting as HubIsFull
from transceiver.session.actions import CloseReason
from transceiver.worker_link.pool import WorkerPool
from wire.address import Address

ABANDONED = 100_000
PER_FRAME = 100
BOUND = 50
LIMITS = SessionLimits(setup_timeout_s=5.0)


def test_a_hundred_thousand_half_open_sessions() -> None:
    scene = TransceiverScene(limits=LIMITS, max_sessions=1000, max_connecting=BOUND)
    talker = scene.connect()
    offer = WebRtcClient().offer()
    abandoned = []
    refused = most = 0
    spoken = []
    for _ in range(ABANDONED // PER_FRAME):
        for _ in range(PER_FRAME):
            listener = RecordingListener(scene, echo=False)
            try:
                scene.hub.create(offer, listener, now=scene.now)
            except HubIsFull:
                refused += 1
            else:
                abandoned.append(listener)
        most = max(most, len(scene.hub))
        spoken += talker.speak(1)
    scene.run(LIMITS.setup_timeout_s + 0.1)
    accepted = len(abandoned)
    assert accepted + refused == ABANDONED
    assert most == BOUND + 1
    # 20 s of them, and each kept a place for 5 s.
    assert BOUND * 3 <= accepted <= BOUND * 5
    assert all(listener.closed_reason is CloseReason.SETUP_TIMEOUT for listener in abandoned)
    assert scene.hub.counters.closed == {CloseReason.SETUP_TIMEOUT: accepted}
    assert (len(scene.hub), scene.hub.connecting) == (1, 0)
    assert [frame.payload for frame in talker.listener.audio_frames] == spoken
    assert talker.session.stats().packets_lost == 0
    assert scene.drops == {}


def test_the_place_of_one_that_connects_is_free_again() -> None:
    scene = TransceiverScene(limits=LIMITS, max_connecting=1)
    scene.call(address=Address("198.51.100.9", 40_002), start=False)
    with pytest.raises(HubIsFull):
        scene.call(address=CLIENT_B)
    scene.run(LIMITS.setup_timeout_s + 0.1)
    first = scene.connect(address=CLIENT_A)
    second = scene.connect(address=CLIENT_B)
    assert scene.hub.connecting == 0
    for caller in (first, second):
        scene.hub.close(caller.session, CloseReason.HANGUP, scene.now)
    assert scene.hub.connecting == 0


async def test_the_client_is_told_and_the_refusal_counted() -> None:
    scene = TransceiverScene(max_connecting=1)
    workers = WorkerCalls(WorkerPool([], "t1"), audio=None, turns=None, limits=SessionLimits())
    calls = CallService(scene.hub, workers, default_model="loopback")
    offer = WebRtcClient().offer()
    await calls.create(offer, model=None, session={})
    answers = await asyncio.gather(
        *(calls.create(offer, model=None, session={}) for _ in range(20)), return_exceptions=True
    )
    assert all(isinstance(answer, TooManyConnecting) for answer in answers)
    assert calls.refused == {"too_many_connecting": 20}
    assert len(calls) == 1
