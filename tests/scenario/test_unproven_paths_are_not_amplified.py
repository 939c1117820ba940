"""A check shows who sent it, not from where: an address that never answers gets at most three times what it sent."""

import pytest

from tests.support.transceiver_scene import ATTACKER, TransceiverScene
from tests.support.webrtc_client import ClientOptions


@pytest.mark.parametrize("setup", ["actpass", "active"])
@pytest.mark.parametrize("checks", [1, 2, 20])
def test_victim_of_a_spoofed_source_gets_three_times_what_was_spent(setup: str, checks: int) -> None:
    scene = TransceiverScene()
    caller = scene.call(ClientOptions(setup=setup), start=False)
    ice = caller.client.ice
    pwd = caller.session.answer.split("a=ice-pwd:")[1].split()[0]
    ice.start(caller.session.local_ufrags[0].decode(), pwd, scene.now)
    scene.callers.clear()
    spent = 0
    for _ in range(checks):
        check = ice.check(scene.now, nominate=True)
        spent += len(check)
        scene.inject(check)
        scene.run(0.05)
    scene.run(14.0)
    assert 0 < scene.sent_to[ATTACKER] <= 3 * spent


def test_client_hello_fits_beside_the_first_response() -> None:
    scene = TransceiverScene()
    caller = scene.call()
    scene.run(0.015)
    # One check of a stock client is 108 bytes; the budget must hold both answers to it.
    assert scene.hub.next_timeout() is not None
    assert 150 < scene.sent_to[caller.address] <= 3 * 100
