"""Input made to be dear: each kind is read at a bounded cost or dropped under its reason, and a call goes on."""

from collections.abc import Iterator

import pytest

from tests.support.client_dtls import ClientDtls, ClientIdentity
from tests.support.transceiver_scene import ATTACKER, CLIENT_B, Caller, TransceiverScene
from tests.support.webrtc_client import ClientOptions, WebRtcClient
from transceiver.config import SessionLimits
from transceiver.sdp.errors import OfferError
from transceiver.session.actions import CloseReason
from wire.address import Address
from wire.drop import DropReason

OFFER_BYTES = 65_536
"""What a transceiver reads by default."""
ANSWER_BYTES = 8192


@pytest.fixture
def scene() -> TransceiverScene:
    return TransceiverScene()


@pytest.fixture
def talker(scene: TransceiverScene) -> Iterator[Caller]:
    """A call beside all of it: nothing of it may be lost."""
    talker = scene.connect(address=CLIENT_B)
    talker.speak(5)
    yield talker
    talker.speak(5)
    scene.run(0.1)
    assert len(talker.listener.audio_frames) == 10
    assert talker.session.stats().packets_lost == 0
    assert ATTACKER not in scene.sent_to


def with_many(line: str) -> str:
    """An offer as long as may be, most of it this line over and over, numbered."""
    offer = WebRtcClient().offer()
    room = OFFER_BYTES - len(offer)
    lines: list[str] = []
    while room > 0:
        lines.append(line.format(len(lines)) + "\r\n")
        room -= len(lines[-1])
    return offer + "".join(lines[:-1])


BOMBS = {
    "header extensions": with_many("a=extmap:{0} urn:x{0}"),
    "sources": with_many("a=ssrc:{0} cname:x"),
    "encodings": with_many("a=rtpmap:111 opus/48000/2"),
    "parameters": with_many("a=fmtp:111 x={0}"),
    "feedback": with_many("a=rtcp-fb:* x{0}"),
    "unknown attributes": with_many("a=x{0}"),
    "fingerprints": with_many("a=fingerprint:sha-256 00"),
    "media sections": with_many("m=audio 9 UDP/TLS/RTP/SAVPF 111"),
    "bundled sections": with_many("m=a 9 x 0\r\na=mid:{0}").replace(
        "BUNDLE 0", "BUNDLE 0 " + " ".join(map(str, range(3000)))
    ),
    "formats": WebRtcClient().offer().replace("111 0 8", "111 0 8" + " 9" * 30_000),
    "one parameter line": WebRtcClient().offer().replace("minptime=10", ";".join(["a=1"] * 15_000)),
    "one line": WebRtcClient().offer() + "a=x:" + "y" * 60_000 + "\r\n",
    "empty lines": WebRtcClient().offer() + "\r\n" * 30_000,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_sdp_bomb(scene: TransceiverScene, talker: Caller, bomb: str) -> None:
    try:
        said = scene.call(rewrite=lambda _: bomb, start=False).session.answer
    except OfferError as error:
        said = str(error)
    assert len(said) < ANSWER_BYTES


def test_stun_of_64_kibibytes(scene: TransceiverScene, talker: Caller) -> None:
    room = 65_507 - 38 - 20
    attributes = b"\x80\x22" + (room - 4).to_bytes(2, "big") + bytes(room - 4)
    check = b"\x00\x01" + len(attributes).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + attributes
    for client in (ATTACKER, CLIENT_B):
        scene.inject(check, client=client)
    assert scene.drops == {DropReason.OVERSIZED_DATAGRAM: 2}


def test_stun_of_attributes_without_number(scene: TransceiverScene, talker: Caller) -> None:
    attributes = b"\x80\x22\x00\x00" * 500
    check = b"\x00\x01" + len(attributes).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + attributes
    for _ in range(100):
        scene.inject(check)
    assert scene.drops == {DropReason.MISSING_USERNAME: 100}


def test_flood_of_dtls_records_upon_a_call(scene: TransceiverScene, talker: Caller) -> None:
    encrypted = b"\x17\xfe\xfd\x00\x01" + bytes(6) + (40).to_bytes(2, "big") + bytes(40)
    alert = b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28"
    hello = b"\x16\xfe\xfd" + bytes(8) + (20).to_bytes(2, "big") + bytes(20)
    for record in (encrypted, alert, hello):
        for _ in range(1000):
            scene.inject(record * 10, client=CLIENT_B)
            scene.inject(record * 10)
    assert scene.drops == {DropReason.UNVALIDATED_FIVE_TUPLE: 3000}
    assert talker.listener.closed_reason is None


@pytest.mark.parametrize("setup", ["active", "actpass"])
def test_client_hello_race_of_a_stranger(scene: TransceiverScene, talker: Caller, setup: str) -> None:
    """The stranger knows the addresses, and is faster than the client at each moment of its set-up."""
    caller = scene.call(ClientOptions(setup=setup))
    stranger = ClientDtls(ClientIdentity(), client=True, remote_fingerprint="00")
    stranger.start(scene.now)
    hello = stranger.take_datagrams()
    injected = 0
    while caller.client.connected_at is None:
        for datagram in hello:
            scene.inject(datagram)
            injected += 1
        scene.run(0.005)
    caller.speak(5)
    scene.run(0.1)
    assert len(caller.listener.audio_frames) == 5
    assert injected > 0
    assert scene.drops == {DropReason.UNVALIDATED_FIVE_TUPLE: injected}


def test_rtcp_that_nobody_knows(scene: TransceiverScene, talker: Caller) -> None:
    ssrc = talker.client.ssrc.to_bytes(4, "big")
    report = b"\x80\xc9\x00\x01" + ssrc
    # APP, XR, unassigned types, and feedback of formats and for sources that do not exist.
    unknown = [(0, kind) for kind in (204, 207, *range(209, 224))]
    unknown += [(form, kind) for form in range(32) for kind in (205, 206)]
    for form, kind in unknown:
        talker.client.send_rtcp(report + bytes([0x80 | form, kind]) + b"\x00\x02" + ssrc + bytes(4))
    scene.flush(talker)
    scene.run(0.1)
    assert set(scene.drops) <= {DropReason.MALFORMED_RTCP, DropReason.RATE_LIMITED, DropReason.UNKNOWN_RTCP}
    assert scene.drops[DropReason.UNKNOWN_RTCP] >= 17
    assert talker.listener.closed_reason is None


def test_half_open_sessions_that_have_sent_their_checks() -> None:
    scene = TransceiverScene(limits=SessionLimits(setup_timeout_s=5.0), max_connecting=10)
    half_open = [scene.call(ClientOptions(setup="active"), start=False) for _ in range(10)]
    for index, caller in enumerate(half_open):
        pwd = caller.session.answer.split("a=ice-pwd:")[1].split()[0]
        caller.client.ice.start(caller.session.local_ufrags[0].decode(), pwd, scene.now)
        scene.inject(caller.client.ice.check(scene.now, nominate=True), client=Address("198.51.100.9", 20_000 + index))
        caller.client.ice.stop()
    assert len(scene.flows.flows) == 10
    scene.run(5.1)
    assert {caller.listener.closed_reason for caller in half_open} == {CloseReason.SETUP_TIMEOUT}
    assert (scene.hub.connecting, scene.flows.flows) == (0, {})
    scene.callers.clear()
    assert scene.connect().listener.connected_at is not None
