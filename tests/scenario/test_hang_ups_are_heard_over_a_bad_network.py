"""A client learns that its call is over even if the network loses the datagram that says so."""

import pytest

from tests.support.transceiver_scene import CLIENT_A, PUBLIC, Caller, TransceiverScene
from tests.support.webrtc_client import ClientOptions
from transceiver.config import SessionLimits
from transceiver.farewells import GAPS_S, MAX_FAREWELLS, Farewells
from transceiver.media_port.interface import Path
from transceiver.session.actions import CloseReason
from wire.address import Address

CALLS = 100
FAREWELL_S = sum(GAPS_S) + 0.1


def heard(caller: Caller) -> bool:
    """Whether the client has read close_notify."""
    assert caller.client.dtls is not None
    return caller.client.dtls.closed_by_remote


def test_most_clients_hear_it_at_30_percent_loss() -> None:
    scene = TransceiverScene()
    callers = [scene.connect(address=Address("198.51.100.9", 10_000 + number)) for number in range(CALLS)]
    scene.down.loss = 0.3
    for caller in callers:
        scene.hub.close(caller.session, CloseReason.HANGUP, scene.now)
    scene.run(FAREWELL_S)
    missed = sum(not heard(caller) for caller in callers)
    # Once: 30. Four times: 0.8 in the mean.
    assert missed <= 4
    assert scene.flows.flows == {}


@pytest.mark.parametrize("setup", ["actpass", "active"])
def test_a_blackout_of_half_a_second_hides_no_hang_up(setup: str) -> None:
    scene = TransceiverScene()
    caller = scene.connect(ClientOptions(setup=setup))
    scene.down.down = True
    scene.hub.close(caller.session, CloseReason.HANGUP, scene.now)
    scene.run(0.5)
    assert not heard(caller)
    scene.down.down = False
    scene.run(0.5)
    assert heard(caller)


def test_relays_keep_the_flow_until_the_client_has_been_told() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    scene.hub.close(caller.session, CloseReason.HANGUP, scene.now)
    assert (len(scene.hub), scene.hub.parting) == (0, 1)
    assert caller.path in scene.flows.flows
    scene.run(FAREWELL_S)
    assert scene.hub.parting == 0
    assert scene.flows.flows == {}


def test_a_new_call_from_the_same_address_ends_the_farewell() -> None:
    scene = TransceiverScene()
    first = scene.connect()
    scene.hub.close(first.session, CloseReason.HANGUP, scene.now)
    first.address = Address("198.51.100.99", 1)
    second = scene.connect()
    assert scene.hub.parting == 0
    scene.run(FAREWELL_S)
    assert not heard(second)
    assert scene.flows.flows[Path(CLIENT_A, PUBLIC)][0] == second.session.call_id
    sent = second.speak(10)
    scene.run(0.1)
    assert [packet.payload for packet in second.client.audio] == sent


def test_a_client_that_gives_no_more_consent_is_sent_nothing() -> None:
    scene = TransceiverScene(limits=SessionLimits(consent_timeout_s=5.0))
    caller = scene.connect()
    caller.client.ice.stop()
    scene.run_until(lambda: caller.listener.closed_reason is not None)
    assert caller.listener.closed_reason is CloseReason.CONSENT_EXPIRED
    scene.run(FAREWELL_S)
    assert not heard(caller)
    assert scene.flows.flows == {}


def test_farewells_are_bounded() -> None:
    over: list[int] = []
    farewells = Farewells(lambda path, datagram: None, lambda session_id, path: over.append(session_id))
    for session_id in range(MAX_FAREWELLS + 3):
        farewells.begin(session_id, Path(Address("192.0.2.1", session_id), PUBLIC), [b"bye"], 0.0)
    assert len(farewells) == MAX_FAREWELLS
    assert over == [0, 1, 2]
