"""Fuzzing a whole transceiver: no datagram raises, none keeps an undisturbed call from going on."""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.transceiver_scene import ATTACKER, CLIENT_A, CLIENT_B, RELAY_A, STRANGER, TransceiverScene

FIRST_BYTES = st.sampled_from([0, 1, 20, 21, 22, 23, 0x80, 0x90, 0xA0, 0xB0, 0xBF])
SECOND_BYTES = st.sampled_from([0, 1, 111, 200, 201, 203, 205, 0xFE, 0xEF])
datagrams = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda first, second, rest: bytes([first, second]) + rest, FIRST_BYTES, SECOND_BYTES, st.binary(max_size=200)
    ),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(datagrams, max_size=25))
def test_bytes_from_anywhere(noise: list[bytes]) -> None:
    scene = TransceiverScene()
    caller = scene.connect()
    for datagram in noise:
        scene.inject(datagram, client=CLIENT_A)
        scene.inject(datagram)
        scene.inject(datagram, relay=STRANGER)
        scene.port.receive(datagram, RELAY_A, scene.now)
    sent = caller.speak(3)
    scene.run(0.1)
    assert [frame.payload for frame in caller.listener.audio_frames] == sent
    assert ATTACKER not in scene.sent_to


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(datagrams, max_size=25))
def test_authentic_packets_of_a_client_gone_mad(noise: list[bytes]) -> None:
    scene = TransceiverScene()
    caller, other = scene.connect(), scene.connect(address=CLIENT_B)
    dtls = caller.client.dtls
    assert dtls is not None
    ssrc = caller.client.ssrc.to_bytes(4, "big")
    protect: list[Callable[[int, bytes], bytes]] = [
        lambda n, body: dtls.outbound.protect(
            b"\x90\x6f" + n.to_bytes(2, "big") + bytes(4) + ssrc + b"\xbe\xde\0\0" + body
        ),
        lambda n, body: dtls.outbound.protect_rtcp(b"\x80\xc9\x00\x01" + ssrc + body),
    ]
    for number, body in enumerate(noise):
        for build in protect:
            scene.inject(build(number, body), client=CLIENT_A)
        dtls.send(body or b"-")
    scene.flush(caller)
    sent = other.speak(3)
    scene.run(0.1)
    assert [frame.payload for frame in other.listener.audio_frames] == sent


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(datagrams, max_size=25), st.sampled_from([0.0, 0.015, 0.025, 0.035]))
def test_bytes_in_the_middle_of_a_handshake(noise: list[bytes], after_s: float) -> None:
    scene = TransceiverScene()
    caller = scene.call()
    scene.run(after_s)
    for datagram in noise:
        scene.inject(datagram, client=CLIENT_A)
    scene.run(20.0)
    assert caller.listener.connected_at is not None or caller.listener.closed_reason is not None
