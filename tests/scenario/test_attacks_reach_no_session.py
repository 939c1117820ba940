"""What an attacker sends is counted under its reason, is not answered, and does not disturb the call beside it."""

import secrets
from collections.abc import Iterator

import pytest
from aioice import stun

from tests.support.transceiver_scene import CLIENT_A, PUBLIC, RELAY_A, STRANGER, Caller, TransceiverScene
from tests.support.webrtc_client import ClientOptions
from transceiver.media_port.srtp import MAX_INBOUND_SSRCS
from wire.address import Address
from wire.drop import DropReason
from wire.spp import encode_header


@pytest.fixture
def scene() -> TransceiverScene:
    return TransceiverScene()


@pytest.fixture
def caller(scene: TransceiverScene) -> Iterator[Caller]:
    """A call in progress. After the test it must still work, and nobody but its client may have been sent anything."""
    caller = scene.connect()
    caller.speak(5)
    yield caller
    frames = len(caller.listener.audio_frames)
    sent = caller.speak(5)
    scene.run(0.1)
    assert [frame.payload for frame in caller.listener.audio_frames[frames:]] == sent
    assert caller.session.paths == (caller.path,)
    assert set(scene.flows.flows) == {caller.path}
    assert set(scene.sent_to) == {CLIENT_A}


def check(caller: Caller, *, ufrag: str | None = None, pwd: str | None = None) -> bytes:
    """A Binding request as the client would send it, or nearly."""
    ice = caller.client.ice
    attributes = {"USERNAME": f"{ufrag or ice.remote_ufrag}:{ice.ufrag}", "PRIORITY": 1, "ICE-CONTROLLING": 1}
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)
    request.add_message_integrity((pwd or ice.remote_pwd).encode())
    return bytes(request)


def unsigned(**attributes: object) -> bytes:
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    return bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=named))


def foreign_packet(caller: Caller, *, payload_type: int) -> bytes:
    """An authentic packet of a source that the client has not announced."""
    return caller.client.protect(bytes([0x80, payload_type]) + bytes(6) + secrets.token_bytes(4) + b"voice")


def test_check_with_a_wrong_password(scene: TransceiverScene, caller: Caller) -> None:
    scene.inject(check(caller, pwd="x" * 24))
    assert scene.drops == {DropReason.BAD_INTEGRITY: 1}


def test_check_for_a_ufrag_that_no_session_has(scene: TransceiverScene, caller: Caller) -> None:
    scene.inject(check(caller, ufrag="A" + "B" * 22))
    assert scene.drops == {DropReason.UNKNOWN_UFRAG: 1}


def test_captured_check_sent_again_from_elsewhere(scene: TransceiverScene, caller: Caller) -> None:
    captured = caller.client.ice.check(scene.now, nominate=True)
    scene.inject(captured, client=CLIENT_A)
    scene.inject(captured)
    assert scene.drops == {DropReason.REPLAYED_CHECK: 1}


def test_captured_check_is_remembered_through_a_thousand_others(scene: TransceiverScene, caller: Caller) -> None:
    captured = caller.client.ice.check(scene.now, nominate=True)
    scene.inject(captured, client=CLIENT_A)
    for _ in range(500):
        scene.inject(check(caller), client=CLIENT_A)
    scene.inject(captured)
    assert scene.drops == {DropReason.REPLAYED_CHECK: 1}


def test_retransmitted_check_is_answered_again(scene: TransceiverScene, caller: Caller) -> None:
    datagram = check(caller)
    before = scene.sent_to[CLIENT_A]
    scene.inject(datagram, client=CLIENT_A)
    once = scene.sent_to[CLIENT_A] - before
    scene.inject(datagram, client=CLIENT_A)
    assert scene.sent_to[CLIENT_A] - before == 2 * once
    assert scene.drops == {}


def test_truncated_check(scene: TransceiverScene, caller: Caller) -> None:
    datagram = check(caller)
    for length in range(1, len(datagram)):
        scene.inject(datagram[:length])
    assert scene.drops == {DropReason.MALFORMED_STUN: len(datagram) - 1}


def test_check_without_what_it_needs(scene: TransceiverScene, caller: Caller) -> None:
    scene.inject(unsigned(PRIORITY=1))
    scene.inject(unsigned(USERNAME="a:b"))
    assert scene.drops == {DropReason.MISSING_USERNAME: 1, DropReason.MISSING_INTEGRITY: 1}


def test_stun_that_is_no_request(scene: TransceiverScene, caller: Caller) -> None:
    for kind in (stun.Class.RESPONSE, stun.Class.ERROR, stun.Class.INDICATION):
        scene.inject(bytes(stun.Message(stun.Method.BINDING, kind)))
    scene.inject(bytes(stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST)))
    assert scene.drops == {DropReason.UNEXPECTED_STUN_METHOD: 4}


def test_authentic_check_with_an_attribute_that_cannot_be_read(scene: TransceiverScene, caller: Caller) -> None:
    ice = caller.client.ice
    username = f"{ice.remote_ufrag}:{ice.ufrag}".encode()
    # PRIORITY, ICE-CONTROLLING and USE-CANDIDATE of a wrong length: only the client itself can sign such a thing.
    for kind, value in ((0x0024, b"\x00\x01"), (0x802A, b"\x00\x01\x02\x03"), (0x0025, b"\x01")):
        body = attribute(0x0006, username) + attribute(kind, value)
        head = bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))
        signature = stun.message_integrity(head + body, ice.remote_pwd.encode())
        scene.inject(stun.set_body_length(head, len(body) + 24) + body + attribute(8, signature), client=CLIENT_A)
    assert scene.drops == {DropReason.MALFORMED_STUN: 3}


def attribute(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)


def test_client_that_claims_our_role_is_told_so(scene: TransceiverScene, caller: Caller) -> None:
    ice = caller.client.ice
    ice.controlling = False
    scene.inject(ice.check(scene.now, nominate=False), client=CLIENT_A)
    scene.run(0.05)
    assert ice.last_error == 487
    assert scene.drops == {DropReason.ROLE_CONFLICT: 1}


def test_dtls_from_a_five_tuple_without_a_check(scene: TransceiverScene, caller: Caller) -> None:
    record = bytes([22, 0xFE, 0xFD]) + bytes(8) + (40).to_bytes(2, "big") + bytes(40)
    scene.inject(record)
    scene.inject(record, client=CLIENT_A, proxy=Address("203.0.113.2", 3478))
    assert scene.drops == {DropReason.UNVALIDATED_FIVE_TUPLE: 2}


def test_media_from_a_five_tuple_without_a_check(scene: TransceiverScene, caller: Caller) -> None:
    packet = caller.client.protect(caller.client.audio_packet(b"voice", 0))
    scene.inject(packet)
    assert scene.drops == {DropReason.UNVALIDATED_FIVE_TUPLE: 1}


def test_garbage_on_the_clients_own_path(scene: TransceiverScene, caller: Caller) -> None:
    for datagram, reason in (
        (bytes([22]) + secrets.token_bytes(30), DropReason.MALFORMED_DTLS),
        (bytes([22, 0xFE, 0xFD]) + bytes(8) + (400).to_bytes(2, "big") + bytes(40), DropReason.MALFORMED_DTLS),
        (bytes([0x80, 111]), DropReason.MALFORMED_RTP),
        (bytes([0x80, 200, 0, 1]), DropReason.MALFORMED_RTCP),
        (bytes([10]) * 20, DropReason.UNKNOWN_KIND),
        (bytes([0x80]), DropReason.UNKNOWN_KIND),
        (bytes([17]) * 20, DropReason.UNSUPPORTED_KIND),
        (bytes([200]) * 20, DropReason.UNSUPPORTED_KIND),
        (b"", DropReason.EMPTY_DATAGRAM),
        (bytes([0x80, 111]) + bytes(2000), DropReason.OVERSIZED_DATAGRAM),
        (bytes([0x80, 111]) + bytes(2100), DropReason.OVERSIZED_DATAGRAM),
    ):
        before = scene.drops.get(reason, 0)
        scene.inject(datagram, client=CLIENT_A)
        assert scene.drops.get(reason, 0) == before + 1, (datagram[:3].hex(), scene.drops)


def test_dtls_records_of_the_right_shape_do_not_end_the_call(scene: TransceiverScene, caller: Caller) -> None:
    for kind in (20, 21, 22, 23, 24, 25, 63):
        for epoch in (0, 1, 2):
            body = secrets.token_bytes(48)
            record = bytes([kind, 0xFE, 0xFD]) + epoch.to_bytes(2, "big") + bytes(6) + (48).to_bytes(2, "big") + body
            scene.inject(record, client=CLIENT_A)
    # A fatal alert in the clear, as anybody could send it.
    scene.inject(bytes([21, 0xFE, 0xFD]) + bytes(8) + (2).to_bytes(2, "big") + bytes([2, 40]), client=CLIENT_A)
    assert caller.listener.closed_reason is None


def test_srtp_replay(scene: TransceiverScene, caller: Caller) -> None:
    packet = caller.client.protect(caller.client.audio_packet(b"voice", caller.timestamp))
    scene.inject(packet, client=CLIENT_A)
    scene.inject(packet, client=CLIENT_A)
    assert scene.drops == {DropReason.SRTP_REPLAYED: 1}
    assert [frame.payload for frame in caller.listener.audio_frames].count(b"voice") == 1


def test_srtcp_replay(scene: TransceiverScene, caller: Caller) -> None:
    dtls = caller.client.dtls
    assert dtls is not None
    packet = dtls.outbound.protect_rtcp(bytes([0x80, 201, 0, 1]) + caller.client.ssrc.to_bytes(4, "big"))
    scene.inject(packet, client=CLIENT_A)
    scene.inject(packet, client=CLIENT_A)
    assert scene.drops == {DropReason.SRTP_REPLAYED: 1}


def test_forged_srtp_and_srtcp(scene: TransceiverScene, caller: Caller) -> None:
    packet = bytearray(caller.client.protect(caller.client.audio_packet(b"voice", caller.timestamp)))
    packet[14] ^= 1
    scene.inject(bytes(packet), client=CLIENT_A)
    scene.inject(bytes([0x80, 201, 0, 1]) + secrets.token_bytes(40), client=CLIENT_A)
    assert scene.drops == {DropReason.SRTP_AUTH_FAILED: 2}


def test_authentic_rtp_that_does_not_fit_itself(scene: TransceiverScene, caller: Caller) -> None:
    client = caller.client
    padded = bytearray(client.audio_packet(b"voice\xff", caller.timestamp))
    padded[0] |= 0x20
    scene.inject(client.protect(bytes(padded)), client=CLIENT_A)
    assert scene.drops == {DropReason.MALFORMED_RTP: 1}


def test_authentic_rtcp_that_does_not_fit_itself(scene: TransceiverScene, caller: Caller) -> None:
    caller.client.send_rtcp(bytes([0x81, 201, 0, 1]) + caller.client.ssrc.to_bytes(4, "big"))
    scene.flush(caller)
    scene.run(0.05)
    assert scene.drops == {DropReason.MALFORMED_RTCP: 1}


def test_unknown_ssrc_and_payload_type(scene: TransceiverScene, caller: Caller) -> None:
    scene.inject(foreign_packet(caller, payload_type=111), client=CLIENT_A)
    scene.inject(foreign_packet(caller, payload_type=96), client=CLIENT_A)
    assert scene.drops == {DropReason.UNKNOWN_SSRC: 1, DropReason.UNKNOWN_PAYLOAD_TYPE: 1}


def test_client_that_invents_ssrcs_is_bounded(scene: TransceiverScene, caller: Caller) -> None:
    for _ in range(5 * MAX_INBOUND_SSRCS):
        scene.inject(foreign_packet(caller, payload_type=111), client=CLIENT_A)
    assert scene.drops == {DropReason.UNKNOWN_SSRC: 5 * MAX_INBOUND_SSRCS}


def test_stranger_that_is_no_relay(scene: TransceiverScene, caller: Caller) -> None:
    scene.inject(check(caller), relay=STRANGER)
    scene.inject(caller.client.protect(caller.client.audio_packet(b"voice", 0)), client=CLIENT_A, relay=STRANGER)
    assert scene.drops == {DropReason.UNKNOWN_RELAY: 2}


def test_datagram_without_an_envelope(scene: TransceiverScene, caller: Caller) -> None:
    for datagram in (b"", b"\x56", b"\x56\xec" + bytes(35), bytes(38) + check(caller), bytes(100)):
        scene.port.receive(datagram, RELAY_A, scene.now)
    # Nor may a wrong magic hide in front of a known five-tuple.
    packet = caller.client.protect(caller.client.audio_packet(b"voice", 0))
    scene.port.receive(b"\x00\x00" + encode_header(CLIENT_A, PUBLIC)[2:] + packet, RELAY_A, scene.now)
    assert sum(scene.drops.values()) == 6
    assert scene.drops[DropReason.MALFORMED_SPP] >= 4


def test_media_before_the_handshake() -> None:
    scene = TransceiverScene()
    caller = scene.call(start=False)
    caller.client.ice.start(caller.session.local_ufrags[0].decode(), pwd_of(caller), scene.now)
    scene.inject(caller.client.ice.check(scene.now, nominate=True), client=CLIENT_A)
    scene.inject(bytes([0x80, 111]) + bytes(60), client=CLIENT_A)
    scene.inject(bytes([0x80, 200]) + bytes(60), client=CLIENT_A)
    assert scene.drops == {DropReason.SRTP_NOT_READY: 2}


def test_flood_of_handshake_records_is_bounded() -> None:
    scene = TransceiverScene()
    caller = scene.call(ClientOptions(setup="active"), start=False)
    caller.client.ice.start(caller.session.local_ufrags[0].decode(), pwd_of(caller), scene.now)
    scene.inject(caller.client.ice.check(scene.now, nominate=True), client=CLIENT_A)
    for sequence in range(200):
        # First fragments of handshake messages that never become whole.
        message = bytes([1]) + (5000).to_bytes(3, "big") + bytes(2) + bytes(3) + (900).to_bytes(3, "big") + bytes(900)
        header = bytes([22, 0xFE, 0xFD]) + bytes(4) + sequence.to_bytes(4, "big") + len(message).to_bytes(2, "big")
        scene.inject(header + message, client=CLIENT_A)
    assert caller.listener.closed_reason is not None or scene.drops[DropReason.DTLS_BUDGET] > 100


def pwd_of(caller: Caller) -> str:
    """The password that the answer gives."""
    return caller.session.answer.split("a=ice-pwd:")[1].split()[0]
