"""Renegotiation within a call."""

import pytest

from tests.support.transceiver_scene import TransceiverScene
from transceiver.sdp.errors import OfferError


def test_direction_may_change() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    caller.speak(10)
    offer = caller.client.offer()
    answer = scene.hub.renegotiate(caller.session, offer.replace("a=sendrecv", "a=sendonly"), scene.now)
    assert "a=recvonly" in answer
    heard = len(caller.client.audio)
    caller.speak(10)
    assert len(caller.client.audio) <= heard + 1
    scene.hub.renegotiate(caller.session, offer, scene.now)
    heard = len(caller.client.audio)
    caller.speak(10)
    assert len(caller.client.audio) > heard


def test_the_same_offer_restarts_nothing() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    first = caller.session.answer
    second = scene.hub.renegotiate(caller.session, caller.client.offer(), scene.now)
    changed = [
        (before, after) for before, after in zip(first.split("\n"), second.split("\n"), strict=True) if before != after
    ]
    # RFC 3264 section 8: only the version of o= has grown.
    assert [before.split()[2] for before, _ in changed] == ["1"]
    assert [after.split()[2] for _, after in changed] == ["2"]


def test_role_stays_whatever_a_later_offer_says() -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    offer = caller.client.offer().replace("a=setup:actpass", "a=setup:passive")
    assert "a=setup:active" in scene.hub.renegotiate(caller.session, offer, scene.now)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        (("m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8", "m=audio 9 UDP/TLS/RTP/SAVPF 0 8"), "a=rtpmap"),
        (("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 " + "AB:" * 32 + "\r\na=x:"), "a=fingerprint"),
    ],
)
def test_codec_and_certificate_may_not_change(change: tuple[str, str], param: str) -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    before = caller.session.answer
    offer = caller.client.offer().replace(*change).replace(":\r\na=x", "\r\na=x")
    with pytest.raises(OfferError) as refusal:
        scene.hub.renegotiate(caller.session, offer, scene.now)
    assert refusal.value.param == param
    assert caller.session.answer == before
    sent = caller.speak(5)
    scene.run(0.1)
    assert [packet.payload for packet in caller.client.audio] == sent
