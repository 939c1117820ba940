"""Attack scenes in bulk, with limits small enough to be met: calls that are up go on, and each refusal is counted."""

import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable

import pytest

from relay.engine.interface import Budgets
from relay.engine.limits import AdmissionLimits
from tests.support.relay_scene import ALICE, BOB, CLUSTER, SRTP_PACKET, RelayScene, binding_request, relay_scene
from tests.support.udp_peer import Received, UdpPeer, until
from wire.drop import DropReason
from wire.ufrag import RouteToken

ATTACKER, BYSTANDER = "127.0.0.2", "127.0.0.3"
FLOOD = 1000
CHUNK = 50
"""What the smallest socket buffer holds."""

TIGHT = AdmissionLimits(unproven_checks_per_s=20, proven_checks_per_s=1000, suspect_checks_per_s=1)


def wrong_check(scene: RelayScene) -> bytes:
    """For a transceiver that exists, by somebody without the password: it costs an HMAC to see that."""
    ufrag = scene.keys.mint_ufrag(RouteToken(CLUSTER, ALICE, secrets.randbits(48)))
    return binding_request(f"{ufrag}:theirs", "x" * 24)


async def flood(scene: RelayScene, datagrams: Iterable[tuple[UdpPeer, bytes]]) -> None:
    """Sends as fast as the engine takes it, so that nothing is lost before the engine sees it."""
    expected = scene.engine.counters().client_datagrams_received
    for number, (attacker, datagram) in enumerate(datagrams, start=1):
        attacker.send(datagram, scene.proxy)
        expected += 1
        if number % CHUNK == 0:
            await received(scene, expected)
    await received(scene, expected)


async def received(scene: RelayScene, count: int) -> None:
    await until(lambda: scene.engine.counters().client_datagrams_received >= count, f"{count} datagrams are received")


async def call_goes_on(scene: RelayScene, caller: UdpPeer) -> None:
    """Media both ways, and a consent check."""
    caller.send(SRTP_PACKET, scene.proxy)
    assert (await scene.arrives(ALICE))[1] == SRTP_PACKET
    scene.send_back(scene.transceivers[ALICE], scene.flow(caller), SRTP_PACKET)
    assert await caller.receive() == Received(SRTP_PACKET, scene.proxy)
    await scene.bind(caller)


async def gets_through(scene: RelayScene, client: UdpPeer) -> None:
    """The client's check is answered for in the end: clients repeat theirs."""
    before = scene.engine.counters().checks_verified

    def verified() -> bool:
        if scene.engine.counters().checks_verified > before:
            return True
        client.send(scene.check(BOB), scene.proxy)
        return False

    await until(verified, "a check gets through")


def drops(scene: RelayScene) -> dict[DropReason, int]:
    return dict(scene.engine.counters().drops)


async def test_a_ufrag_scan(scene: RelayScene) -> None:
    caller, attacker = await scene.client(ATTACKER), await scene.client(ATTACKER)
    await scene.bind(caller)
    guesses = ["A" + b64encode(secrets.token_bytes(16)).decode()[:21] + "A" for _ in range(FLOOD)]
    await flood(scene, ((attacker, binding_request(f"{guess}:theirs", "x" * 24)) for guess in guesses))
    assert drops(scene) == {DropReason.FORGED_UFRAG: FLOOD}
    assert scene.engine.budgets().unproven_checks > 0.99, "a scan costs no HMAC"
    await call_goes_on(scene, caller)
    await scene.nothing_has_reached_a_transceiver()


async def test_an_hmac_flood_from_one_address(engine_name: str) -> None:
    async with relay_scene(engine_name, limits=TIGHT) as scene:
        assert scene.engine.budgets() == Budgets(1.0, 1.0, 1.0)
        caller, attacker = await scene.client(ATTACKER), await scene.client(ATTACKER)
        await scene.bind(caller)
        await flood(scene, ((attacker, wrong_check(scene)) for _ in range(FLOOD)))
        counted = drops(scene)
        assert set(counted) == {DropReason.BAD_INTEGRITY, DropReason.RATE_LIMITED}
        assert counted[DropReason.BAD_INTEGRITY] >= 10, "it is served while it takes nobody's place"
        await call_goes_on(scene, caller)  # from the attacker's own address
        await scene.bind(await scene.client(BYSTANDER))  # at the first try: half of the budget is left for it
        await gets_through(scene, await scene.client(ATTACKER))  # a phone behind the same NAT


async def test_an_hmac_flood_from_everywhere(engine_name: str) -> None:
    async with relay_scene(engine_name, limits=TIGHT) as scene:
        caller = await scene.client()
        await scene.bind(caller)
        attackers = [await scene.client(f"127.0.1.{number}") for number in range(1, 101)]
        await flood(scene, ((attacker, wrong_check(scene)) for _ in range(10) for attacker in attackers))
        counted = drops(scene)
        assert counted[DropReason.CHECK_BUDGET] > 0
        await call_goes_on(scene, caller)
        await gets_through(scene, await scene.client(BYSTANDER))


async def test_a_flow_table_flood_from_one_address(engine_name: str) -> None:
    async with relay_scene(engine_name, limits=AdmissionLimits(max_flows_per_source=8)) as scene:
        caller = await scene.client(ATTACKER)
        await scene.bind(caller)
        attackers = [await scene.client(ATTACKER) for _ in range(CHUNK)]
        await flood(scene, ((attacker, scene.check(BOB)) for attacker in attackers))
        refused = drops(scene)
        assert set(refused) == {DropReason.SOURCE_FLOW_LIMIT}
        held = 1 + CHUNK - refused[DropReason.SOURCE_FLOW_LIMIT]
        assert 8 <= held <= 24, "threads that have not heard of each other's newest flows may each take some"
        await until(lambda: scene.engine.flow_count() == held, "every thread has heard of them")
        await call_goes_on(scene, caller)
        await scene.bind(await scene.client(BYSTANDER))


async def test_a_flow_table_flood_from_everywhere(engine_name: str) -> None:
    async with relay_scene(engine_name, limits=AdmissionLimits(new_flows_per_s=4)) as scene:
        caller = await scene.client()
        await scene.bind(caller)
        attackers = [await scene.client(f"127.0.1.{number}") for number in range(1, 101)]
        await flood(scene, ((attacker, scene.check(BOB)) for attacker in attackers))
        refused = drops(scene)
        assert set(refused) == {DropReason.NEW_FLOW_BUDGET}
        held = 1 + len(attackers) - refused[DropReason.NEW_FLOW_BUDGET]
        await until(lambda: scene.engine.flow_count() == held, "what was admitted is held")
        await call_goes_on(scene, caller)


async def test_a_flood_of_a_full_table(engine_name: str) -> None:
    async with relay_scene(engine_name, max_flows=10) as scene:
        caller = await scene.client()
        await scene.bind(caller)
        attackers = [await scene.client(ATTACKER) for _ in range(CHUNK)]
        await flood(scene, ((attacker, scene.check(BOB)) for attacker in attackers))
        await until(lambda: scene.engine.flow_count() == 10, "the table is full")
        assert set(drops(scene)) == {DropReason.FLOW_TABLE_FULL}
        await call_goes_on(scene, caller)


async def test_a_reused_nat_port_needs_no_room(engine_name: str) -> None:
    limits = AdmissionLimits(max_flows_per_source=1, new_flows_per_s=1)
    async with relay_scene(engine_name, max_flows=1, limits=limits) as scene:
        client = await scene.client()
        for transceiver_id in (ALICE, BOB) * 10:
            await scene.bind(client, transceiver_id)
        assert scene.engine.flow_count() == 1
        assert drops(scene) == {}


async def test_an_off_path_attempt_to_rebind_a_call(scene: RelayScene) -> None:
    caller = await scene.client()
    await scene.bind(caller, ALICE)
    ufrag = scene.keys.mint_ufrag(RouteToken(CLUSTER, BOB, secrets.randbits(48)))
    spoofed = [binding_request(f"{ufrag}:theirs", "x" * 24) for _ in range(CHUNK)]
    await flood(scene, ((caller, check) for check in spoofed))
    assert drops(scene) == {DropReason.BAD_INTEGRITY: CHUNK}
    await call_goes_on(scene, caller)
    assert scene.transceivers[BOB].is_idle


REFLECTED: list[tuple[str, Callable[[RelayScene], bytes]]] = [
    ("a wrong check", wrong_check),
    ("a check of another cluster", lambda scene: scene.check(cluster_id=CLUSTER + 1)),
    ("plain STUN", lambda scene: bytes.fromhex("00010000 2112a442") + bytes(12)),
    ("a DTLS ClientHello", lambda scene: b"\x16\xfe\xfd" + bytes(200)),
    ("media", lambda scene: SRTP_PACKET),
]


@pytest.mark.parametrize(("name", "datagram"), REFLECTED, ids=[name for name, _ in REFLECTED])
async def test_a_reflection_towards_a_victim(
    scene: RelayScene, name: str, datagram: Callable[[RelayScene], bytes]
) -> None:
    victim = await scene.client()
    await flood(scene, ((victim, datagram(scene)) for _ in range(CHUNK)))
    assert sum(drops(scene).values()) == CHUNK
    assert scene.engine.counters().client_datagrams_sent == 0
    await scene.nothing_has_reached(victim)
