"""Every way in which a session ends: the listener hears why, once, and nothing of it is left."""

import pytest

from tests.support.transceiver_scene import CLIENT_A, CLIENT_B, TransceiverScene
from tests.support.webrtc_client import ClientOptions
from transceiver.config import SessionLimits
from transceiver.farewells import GAPS_S
from transceiver.hub import TooManySessions
from transceiver.session.actions import AudioReceived, CloseReason
from transceiver.session.session import Session
from wire.drop import DropReason

LIMITS = SessionLimits(setup_timeout_s=10.0, consent_timeout_s=20.0, max_duration_s=100.0)
FAREWELL_S = sum(GAPS_S) + 0.1


def assert_nothing_is_left(scene: TransceiverScene) -> None:
    """Looks into the hub and the port, since what is kept by mistake shows nowhere else."""
    hub, port = scene.hub, scene.port
    assert len(hub) == 0
    assert scene.flows.flows == {}
    assert not any((port._by_path, port._by_header, port._srtp, port._paths_of))
    assert not any((hub._by_ufrag, hub._by_path, hub._listeners, hub._armed))


def test_client_that_never_comes() -> None:
    scene = TransceiverScene(limits=LIMITS)
    caller = scene.call(start=False)
    scene.run(9.9)
    assert caller.listener.closed_reason is None
    scene.run(0.2)
    assert caller.listener.closed_reason is CloseReason.SETUP_TIMEOUT
    assert_nothing_is_left(scene)


def test_client_whose_checks_stop_although_its_media_goes_on() -> None:
    scene = TransceiverScene(limits=LIMITS)
    caller = scene.connect()
    caller.client.ice.stop()
    last_check = scene.now
    caller.speak(50, interval_s=0.3)
    assert caller.listener.closed_reason is None
    scene.run(last_check + 20.1 - scene.now)
    assert caller.listener.closed_reason is CloseReason.CONSENT_EXPIRED
    assert_nothing_is_left(scene)


def test_call_that_is_too_long() -> None:
    scene = TransceiverScene(limits=LIMITS)
    caller = scene.connect()
    scene.run(101.0 + FAREWELL_S)
    assert caller.listener.closed_reason is CloseReason.MAX_DURATION
    assert_nothing_is_left(scene)


def test_client_that_says_close_notify() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(5)
    caller.client.close()
    scene.flush(caller)
    scene.run(0.1)
    assert caller.listener.closed_reason is CloseReason.CLIENT_CLOSED
    assert_nothing_is_left(scene)


def test_client_hears_bye_and_close_notify_of_a_hangup() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(5)
    scene.hub.close(caller.session, CloseReason.HANGUP, scene.now)
    scene.hub.close(caller.session, CloseReason.HANGUP, scene.now)
    scene.run(FAREWELL_S)
    assert caller.listener.closed_reason is CloseReason.HANGUP
    assert caller.client.dtls is not None
    assert caller.client.dtls.closed_by_remote
    assert caller.client.rtcp[-1][-8:-4] == bytes([0x81, 203, 0, 1])
    assert_nothing_is_left(scene)


def test_what_comes_after_the_end_is_counted() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(5)
    scene.hub.close(caller.session, CloseReason.HANGUP, scene.now)
    scene.inject(caller.client.ice.check(scene.now, nominate=True), client=CLIENT_A)
    scene.inject(caller.client.protect(caller.client.audio_packet(b"late", 0)), client=CLIENT_A)
    scene.hub.send_audio(caller.session, b"late", 0, False, scene.now)
    assert scene.drops == {DropReason.UNKNOWN_UFRAG: 1, DropReason.SESSION_CLOSED: 1}


@pytest.mark.parametrize("setup", ["actpass", "active"])
def test_certificate_that_the_offer_did_not_announce(setup: str) -> None:
    scene = TransceiverScene()
    other = ":".join(["AB"] * 32)
    caller = scene.call(ClientOptions(setup=setup, fingerprint=other))
    scene.run_until(lambda: caller.listener.closed_reason is not None)
    assert caller.listener.closed_reason is CloseReason.FINGERPRINT_MISMATCH
    assert caller.listener.connected_at is None
    assert_nothing_is_left(scene)


@pytest.mark.parametrize("setup", ["actpass", "active"])
def test_client_without_a_common_srtp_profile(setup: str) -> None:
    scene = TransceiverScene()
    caller = scene.call(ClientOptions(setup=setup, profiles=b"SRTP_AES128_CM_SHA1_32"))
    scene.run_until(lambda: caller.listener.closed_reason is not None)
    assert caller.listener.closed_reason is CloseReason.DTLS_FAILED
    assert_nothing_is_left(scene)


def test_sessions_are_bounded_and_room_comes_back() -> None:
    scene = TransceiverScene(max_sessions=1)
    caller = scene.connect()
    with pytest.raises(TooManySessions):
        scene.call(address=CLIENT_B)
    scene.hub.close(caller.session, CloseReason.HANGUP, scene.now)
    scene.connect(address=CLIENT_B)
    assert scene.hub.counters.opened == 2
    assert scene.hub.counters.closed == {CloseReason.HANGUP: 1}


def test_timers_of_many_ended_calls_do_not_pile_up() -> None:
    scene = TransceiverScene()
    for _ in range(200):
        caller = scene.call(start=False)
        scene.hub.close(caller.session, CloseReason.HANGUP, scene.now)
    scene.run(4000.0)
    assert scene.hub.next_timeout() is None
    assert_nothing_is_left(scene)


def test_listener_that_raises_harms_no_other_call_and_does_not_stop_its_own_timers() -> None:
    scene = TransceiverScene(limits=LIMITS)
    faulty, sound = scene.connect(), scene.connect(address=CLIENT_B)

    def fail(session: Session, frame: AudioReceived, now: float) -> None:
        raise RuntimeError("a bug of the listener")

    faulty.listener.audio = fail  # type: ignore[method-assign]  # the fault under test
    with pytest.raises(RuntimeError):
        faulty.speak(5)
    sent = sound.speak(5)
    scene.run(0.1)
    assert [frame.payload for frame in sound.listener.audio_frames] == sent
    faulty.client.ice.stop()
    scene.run(21.0)
    assert faulty.listener.closed_reason is CloseReason.CONSENT_EXPIRED
    assert sound.listener.closed_reason is None


def test_listener_may_close_its_session_from_within() -> None:
    scene = TransceiverScene()
    caller = scene.connect()

    def close(session: Session, frame: AudioReceived, now: float) -> None:
        scene.hub.close(session, CloseReason.WORKER_ENDED, now)

    caller.listener.audio = close  # type: ignore[method-assign]  # a listener of this test's own
    caller.speak(5)
    scene.run(FAREWELL_S)
    assert caller.listener.closed_reason is CloseReason.WORKER_ENDED
    assert_nothing_is_left(scene)
