"""Everything an attacker may send to the public port, to a relay's inside or to a transceiver, on a live fabric.

Each scene: nothing of it reaches a session, a counter says so under its reason, and the call that is up goes on.
"""

import asyncio
import copy
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from secrets import token_bytes

import pytest

from tests.support.fabric import Fabric, running_fabric
from tests.support.live_caller import LiveCaller, calling
from tests.support.metrics import total
from tests.support.processes import udp_addresses
from wire.address import Address, parse_address
from wire.spp import encode_header

MEDIA_BYTES = 60
FLOOD = 100
"""What the smallest socket buffer holds at once."""


@dataclass
class Scene:
    """A call that is up, and an attacker with a socket of its own."""

    fabric: Fabric
    caller: LiveCaller
    attacker: socket.socket

    @property
    def media(self) -> Address:
        """The public port."""
        return parse_address(self.fabric.ready["media"][0])

    def attack(self, *datagrams: bytes, towards: Address | None = None) -> None:
        """Sends datagrams from the attacker's own address."""
        for datagram in datagrams:
            self.attacker.sendto(datagram, towards or self.media)

    def check(self, **changes: str) -> bytes:
        """An authentic check of the client, as an eavesdropper would capture it; or one with other credentials."""
        ice = copy.copy(self.caller.client.ice)
        vars(ice).update(changes)
        return ice.check(0.0, nominate=True)

    async def counted(self, role: str, reason: str, act: Callable[[], None], times: int = 1) -> None:
        """Acts, and returns once `role` has counted `reason` that often."""
        sample = f'fabric_{role}_drops_total{{reason="{reason}"}}'
        processes = self.fabric.processes(role)
        before = await asyncio.to_thread(total, processes, sample)
        act()
        async with asyncio.timeout(10):
            while await asyncio.to_thread(total, processes, sample) < before + times:
                await asyncio.sleep(0.02)

    async def call_goes_on(self) -> None:
        """The call that is up is unharmed."""
        heard = len(self.caller.heard)
        await self.caller.until(lambda: len(self.caller.heard) >= heard + 5, "the call goes on")
        assert not self.attacker_heard(), "something came back to the attacker"

    def attacker_heard(self) -> bool:
        try:
            return bool(self.attacker.recv(2048))
        except BlockingIOError:
            return False


@pytest.fixture(scope="module", params=["python", "native"])
def fabric(request: pytest.FixtureRequest) -> Iterator[Fabric]:
    """A fabric whose relays run the engine: both must stand every scene."""
    if request.param == "native":
        pytest.importorskip("offhook_datapath", reason="the native module is not built here")
    with running_fabric("--relays", "2", "--transceivers", "2", "--workers", "1", "--engine", request.param) as running:
        yield running


@pytest.fixture
async def scene(fabric: Fabric) -> AsyncIterator[Scene]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        attacker.bind(("127.0.0.1", 0))
        attacker.setblocking(False)
        async with calling(fabric) as caller:
            yield Scene(fabric, caller, attacker)


async def test_a_forged_ufrag(scene: Scene) -> None:
    ufrag = scene.caller.client.ice.remote_ufrag
    forged = ufrag[0] + "A" * (len(ufrag) - 1)
    await scene.counted("relay", "forged_ufrag", lambda: scene.attack(scene.check(remote_ufrag=forged)))
    await scene.call_goes_on()


async def test_a_check_with_wrong_integrity(scene: Scene) -> None:
    await scene.counted("relay", "bad_integrity", lambda: scene.attack(scene.check(remote_pwd="A" * 24)))
    await scene.call_goes_on()


async def test_a_check_replayed_from_another_address(scene: Scene) -> None:
    captured = scene.check()
    scene.caller.send_raw(captured)
    await scene.counted("transceiver", "replayed_check", lambda: scene.attack(captured))
    await scene.call_goes_on()


async def test_a_ufrag_scan(scene: Scene) -> None:
    scan = [scene.check(remote_ufrag="A" + b64encode(token_bytes(16)).decode()[:21] + "A") for _ in range(FLOOD)]
    # The fabric's key may have another id than A: then nobody holds the key of these.
    reason = "forged_ufrag" if scene.caller.client.ice.remote_ufrag[0] == "A" else "unknown_key"
    await scene.counted("relay", reason, lambda: scene.attack(*scan), times=FLOOD)
    await scene.call_goes_on()


async def test_an_hmac_flood(scene: Scene) -> None:
    wrong = [scene.check(remote_pwd="A" * 24) for _ in range(FLOOD)]
    await scene.counted("relay", "bad_integrity", lambda: scene.attack(*wrong), times=FLOOD)
    await scene.call_goes_on()


async def test_a_flow_table_flood_with_a_captured_check(scene: Scene) -> None:
    captured = scene.check()
    scene.caller.send_raw(captured)
    with ExitStack() as ports:
        sockets = [ports.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(FLOOD)]

        def from_many_ports() -> None:
            for opened in sockets:
                opened.sendto(captured, scene.media)

        await scene.counted("transceiver", "replayed_check", from_many_ports, times=FLOOD)
    await scene.call_goes_on()


async def test_an_off_path_attempt_to_rebind_the_call(scene: Scene) -> None:
    def spoofed() -> None:
        for _ in range(10):
            scene.caller.send_raw(scene.check(remote_pwd="A" * 24))

    await scene.counted("relay", "bad_integrity", spoofed, times=10)
    await scene.call_goes_on()


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "empty_datagram"),
        (b"\x05" * 40, "unknown_kind"),
        (b"\x41" * 40, "unsupported_kind"),
        (b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(12), "malformed_stun"),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), "missing_username"),
        (b"\x16\xfe\xfd" + bytes(20), "unknown_flow"),
        (b"\x80\x6f" + bytes(40), "unknown_flow"),
        (b"\x80" + bytes(3000), "oversized_datagram"),
    ],
)
async def test_garbage_from_nowhere(scene: Scene, datagram: bytes, reason: str) -> None:
    await scene.counted("relay", reason, lambda: scene.attack(datagram))
    await scene.call_goes_on()


async def test_a_truncated_check(scene: Scene) -> None:
    check = scene.check()
    lengths = range(1, len(check), 7)
    truncated = [scene.check()[:length] for length in lengths]
    await scene.counted("relay", "malformed_stun", lambda: scene.attack(*truncated), times=10)
    await scene.call_goes_on()


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"\x16\xfe\xfd\x00", "malformed_dtls"),
        (b"\x80\x6f\x00", "malformed_rtp"),
        (b"\x80\x6f" + bytes(40), "srtp_auth_failed"),
        (b"\x80\xc8" + bytes(40), "srtp_auth_failed"),
    ],
)
async def test_rubbish_spoofed_from_the_clients_own_address(scene: Scene, datagram: bytes, reason: str) -> None:
    await scene.counted("transceiver", reason, lambda: scene.caller.send_raw(datagram))
    await scene.call_goes_on()


async def test_a_replayed_srtp_packet(scene: Scene) -> None:
    client = scene.caller.client
    await scene.caller.stop_speaking()
    packet = client.protect(client.audio_packet(b"\x78" + bytes(MEDIA_BYTES), scene.caller.frames_sent * 960))
    scene.caller.send_raw(packet)
    await scene.counted("transceiver", "srtp_replayed", lambda: scene.caller.send_raw(packet))
    scene.caller.speak()
    await scene.call_goes_on()


async def test_an_unknown_ssrc_that_is_not_authentic(scene: Scene) -> None:
    client = scene.caller.client
    packet = bytearray(client.protect(client.audio_packet(b"\x78" + bytes(MEDIA_BYTES), 0)))
    packet[8:12] = b"\xde\xad\xbe\xef"
    await scene.counted("transceiver", "srtp_auth_failed", lambda: scene.caller.send_raw(bytes(packet)))
    await scene.call_goes_on()


async def test_a_strangers_return_packet(scene: Scene) -> None:
    relay = scene.fabric.processes("relay")[0]
    inside = next(address for address in udp_addresses(relay["pid"]) if address != scene.media)
    victim = Address("127.0.0.1", scene.attacker.getsockname()[1])
    reflected = encode_header(victim, scene.media) + b"\x80" * 100
    await scene.counted("relay", "unknown_return_source", lambda: scene.attack(reflected, towards=inside))
    await scene.call_goes_on()


async def test_a_stranger_that_plays_relay(scene: Scene) -> None:
    transceiver = scene.fabric.processes("transceiver")[0]
    inside = udp_addresses(transceiver["pid"])[0]
    wrapped = encode_header(Address("127.0.0.1", 9), scene.media) + scene.check()
    await scene.counted("transceiver", "unknown_relay", lambda: scene.attack(wrapped, towards=inside))
    await scene.call_goes_on()


async def test_no_packet_of_an_attacker_is_logged(scene: Scene) -> None:
    before = len(scene.fabric.log.read_bytes())
    await scene.counted("relay", "unknown_kind", lambda: scene.attack(*[b"\x05" * 40] * 50), times=50)
    assert len(scene.fabric.log.read_bytes()) == before
