"""DTLS handshakes with a ClientHello in pieces, and with what anybody could write into them."""

import pytest

from tests.support.transceiver_scene import CLIENT_A, TransceiverScene
from tests.support.webrtc_client import ClientOptions
from transceiver.session.actions import CloseReason
from transceiver.session.dtls import ALERT_PATIENCE_S
from transceiver.session.dtls_records import records_fit, without_clear_alerts

HANDSHAKE, ALERT = 22, 21
CLIENT_HELLO = 1


def record(content_type: int, sequence: int, fragment: bytes, *, epoch: int = 0) -> bytes:
    header = bytes([content_type, 0xFE, 0xFD]) + epoch.to_bytes(2, "big") + sequence.to_bytes(6, "big")
    return header + len(fragment).to_bytes(2, "big") + fragment


def fatal_alert(description: int = 40, *, sequence: int = 0) -> bytes:
    return record(ALERT, sequence, bytes([2, description]))


def records(datagram: bytes) -> list[bytes]:
    assert records_fit(datagram)
    found = []
    while datagram:
        length = 13 + int.from_bytes(datagram[11:13], "big")
        found.append(datagram[:length])
        datagram = datagram[length:]
    return found


class HelloInTwo:
    """Sends each ClientHello as two fragments (RFC 6347 section 4.2.3), as clients with post-quantum key shares do."""

    def __init__(self, *, swapped: bool) -> None:
        self.hellos = 0
        self._swapped = swapped

    def __call__(self, datagram: bytes) -> list[bytes]:
        if not 20 <= datagram[0] < 64:
            return [datagram]
        parts = records(datagram)
        if parts[0][0] == HANDSHAKE and parts[0][13] == CLIENT_HELLO:
            return self._split(parts[0])
        # The second fragment has taken a record number, so all that follow in the clear move up by one.
        return [b"".join(self._renumbered(part) for part in parts)]

    def _split(self, hello: bytes) -> list[bytes]:
        self.hellos += 1
        head, body = hello[13:19], hello[25:]
        length, half = hello[14:17], len(body) // 2
        first = head + bytes(3) + half.to_bytes(3, "big") + body[:half]
        second = head + half.to_bytes(3, "big") + (len(body) - half).to_bytes(3, "big") + body[half:]
        assert int.from_bytes(length, "big") == len(body)
        pieces = [record(HANDSHAKE, 0, first), record(HANDSHAKE, 1, second)]
        return pieces[::-1] if self._swapped else pieces

    @staticmethod
    def _renumbered(part: bytes) -> bytes:
        if part[3:5] != bytes(2):
            return part
        return record(part[0], int.from_bytes(part[5:11], "big") + 1, part[13:])


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("loss", [0.0, 0.25])
def test_client_hello_in_two_datagrams(swapped: bool, loss: float) -> None:
    scene = TransceiverScene(seed=8)
    scene.up.loss = loss
    caller = scene.call(ClientOptions(setup="active"))
    caller.reshape = hello = HelloInTwo(swapped=swapped)
    scene.run_until(lambda: caller.listener.connected_at is not None and caller.client.connected_at is not None)
    assert hello.hellos > 0
    scene.up.loss = 0.0
    caller.speak(5)
    assert len(caller.listener.audio_frames) == 5


@pytest.mark.parametrize("setup", ["actpass", "active"])
def test_forged_alerts_all_through_the_handshake_do_not_end_it(setup: str) -> None:
    scene = TransceiverScene()
    scene.up.delay_s = scene.down.delay_s = 0.05
    caller = scene.call(ClientOptions(setup=setup))
    forged = 0
    while caller.listener.connected_at is None:
        scene.run(0.005)
        if caller.session.paths:
            for sequence in (0, 1, 7):
                scene.inject(fatal_alert(sequence=sequence), client=CLIENT_A)
                forged += 1
        assert caller.listener.closed_reason is None
        assert scene.now < 1002.0
    assert forged > 20
    scene.run(2 * ALERT_PATIENCE_S)
    assert caller.client.connected_at is not None
    caller.speak(5)
    scene.run(0.1)
    assert len(caller.listener.audio_frames) == 5


@pytest.mark.parametrize("setup", ["actpass", "active"])
def test_alert_of_a_client_that_gives_up_ends_the_call_soon(setup: str) -> None:
    scene = TransceiverScene()
    caller = scene.call(ClientOptions(setup=setup))
    scene.run_until(lambda: bool(caller.session.paths))
    scene.up.down = True
    scene.inject(fatal_alert(), client=CLIENT_A)
    if setup == "active":
        # Before its ClientHello there is no handshake that an alert could be about.
        scene.run(ALERT_PATIENCE_S + 1)
        assert caller.listener.closed_reason is None
        return
    began = scene.now
    scene.run_until(lambda: caller.listener.closed_reason is not None)
    assert caller.listener.closed_reason is CloseReason.DTLS_FAILED
    assert scene.now - began == pytest.approx(ALERT_PATIENCE_S, abs=0.01)


def test_only_alerts_in_the_clear_are_kept_back() -> None:
    warning = record(ALERT, 3, bytes([1, 0]))
    handshake, application = record(HANDSHAKE, 0, bytes(30)), record(23, 5, bytes(30), epoch=1)
    encrypted = record(ALERT, 4, bytes([2, 40]), epoch=1)
    rest = handshake + application + encrypted
    assert without_clear_alerts(rest) == (rest, False)
    assert without_clear_alerts(handshake + warning + application + encrypted) == (rest, False)
    assert without_clear_alerts(fatal_alert() + rest) == (rest, True)
    assert without_clear_alerts(fatal_alert()) == (b"", True)
    assert without_clear_alerts(record(ALERT, 0, b"")) == (b"", False)
