"""A relay process from its first moment to its last."""

import json
import secrets
import signal
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from offhook_proto.route.v1 import route_pb2 as pb

from relay.engine.choice import native_engine_installed
from relay.engine.interface import FlowKey
from tests.support.relay_process import RelayFiles, RelayProcess, relay_process
from tests.support.relay_scene import ALICE, CLUSTER, SRTP_PACKET, binding_request
from tests.support.route_server import RouteServer, address_message, route_server, snapshot
from tests.support.udp_peer import UdpPeer, udp_peer, until
from wire.address import Address
from wire.drop import DropReason
from wire.spp import HEADER_BYTES, encode_header
from wire.ufrag import KeyRing, RouteToken

CLIENT_HOST = "127.99.88.77"
"""Distinctive, so that it would be found in a log."""

NATIVE = pytest.param(
    "native", marks=pytest.mark.skipif(not native_engine_installed(), reason="no native engine is installed")
)
ENGINES = pytest.mark.parametrize("engine", ["python", NATIVE])


@pytest.fixture
async def media() -> AsyncIterator[UdpPeer]:
    """The transceiver's media socket."""
    async with udp_peer(Address("127.0.0.1", 0)) as peer:
        yield peer


@pytest.fixture
async def client() -> AsyncIterator[UdpPeer]:
    async with udp_peer(Address(CLIENT_HOST, 0)) as peer:
        yield peer


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"unix:{tmp_path / 'transceiver.sock'}"


@pytest.fixture
async def routes(target: str) -> AsyncIterator[RouteServer]:
    async with route_server(target, heartbeat_s=0.5) as server:
        yield server


def transceiver(media: UdpPeer) -> pb.Transceiver:
    return pb.Transceiver(
        cluster_id=CLUSTER, transceiver_id=ALICE, incarnation=1, media_address=address_message(media.address)
    )


def check(keys: KeyRing) -> bytes:
    ufrag = keys.mint_ufrag(RouteToken(CLUSTER, ALICE, secrets.randbits(48)))
    return binding_request(f"{ufrag}:theirs", keys.ice_pwd(ufrag))


def is_bound(address: Address) -> bool:
    """Whether somebody has the UDP port: one who does not share gets it only if nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return True
    return False


async def ready(relay: RelayProcess, routes: RouteServer, media: UdpPeer, *flows: FlowKey) -> None:
    stream = await routes.stream()
    stream.send(snapshot(transceiver(media), 1, flows))
    await relay.is_ready()


@ENGINES
async def test_it_binds_the_public_port_when_it_has_the_snapshot_and_forwards_at_once(
    tmp_path: Path, target: str, routes: RouteServer, media: UdpPeer, client: UdpPeer, engine: str
) -> None:
    files = RelayFiles(tmp_path, target, engine=engine)
    async with relay_process(files) as relay:
        stream = await routes.stream()
        assert await relay.get("/livez") == (200, "ok\n")
        assert await relay.get("/readyz") == (503, "waiting for the transceivers' flows\n")
        assert not is_bound(files.media)
        stream.send(snapshot(transceiver(media), 1, [FlowKey(client.address, files.media)]))
        await relay.is_ready()
        assert is_bound(files.media)
        host, port = files.media
        assert files.ready == {"media": [f"{host}:{port}"], "metrics": f"{files.admin}/metrics"}
        assert await relay.get("/readyz") == (200, "ok\n")
        client.send(SRTP_PACKET, files.media)
        assert (await media.receive()).datagram[HEADER_BYTES:] == SRTP_PACKET


async def test_a_transceiver_that_does_not_answer_delays_it_only_so_long(tmp_path: Path, target: str) -> None:
    files = RelayFiles(tmp_path, target, sync_deadline_s=0.1)
    async with relay_process(files) as relay:
        await relay.is_ready()
        assert await relay.get("/readyz") == (503, "no transceiver has connected yet\n")


async def test_losing_its_streams_it_stays_ready_and_goes_on(
    tmp_path: Path, target: str, media: UdpPeer, client: UdpPeer
) -> None:
    files = RelayFiles(tmp_path, target)
    async with relay_process(files) as relay:
        async with route_server(target, heartbeat_s=0.5) as routes:
            await ready(relay, routes, media, FlowKey(client.address, files.media))
            assert await relay.metric("fabric_relay_transceivers_synced") == 1
        while await relay.metric("fabric_relay_transceivers_synced"):
            pass
        assert await relay.get("/readyz") == (200, "ok\n")
        client.send(SRTP_PACKET, files.media)
        assert (await media.receive()).datagram[HEADER_BYTES:] == SRTP_PACKET
        async with route_server(target, heartbeat_s=0.5) as routes:
            stream = await routes.stream()
            assert stream.subscribe.resume == pb.Resume(transceiver_incarnation=1, version=1)


@ENGINES
async def test_told_to_stop_it_is_not_ready_but_forwards_until_it_has_drained(
    tmp_path: Path, target: str, routes: RouteServer, media: UdpPeer, client: UdpPeer, engine: str
) -> None:
    files = RelayFiles(tmp_path, target, engine=engine, drain_s=600)
    async with relay_process(files) as relay:
        await ready(relay, routes, media, FlowKey(client.address, files.media))
        relay.signal(signal.SIGTERM)
        await until(lambda: "draining" in files.log, "it drains")
        assert await relay.get("/readyz") == (503, "draining\n")
        assert await relay.get("/livez") == (200, "ok\n")
        client.send(SRTP_PACKET, files.media)
        received = await media.receive()
        assert received.datagram[HEADER_BYTES:] == SRTP_PACKET
        media.send(encode_header(client.address, files.media) + b"back", received.source)
        assert (await client.receive()).datagram == b"back"
        # Whoever does not want to wait says so again.
        relay.signal(signal.SIGTERM)
        assert await relay.exit_code() == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@ENGINES
async def test_drained_it_ends_well(
    tmp_path: Path, target: str, routes: RouteServer, media: UdpPeer, number: signal.Signals, engine: str
) -> None:
    files = RelayFiles(tmp_path, target, engine=engine)
    async with relay_process(files) as relay:
        await ready(relay, routes, media)
        relay.signal(number)
        assert await relay.exit_code() == 0
        assert not is_bound(files.media)
        assert "Traceback" not in files.log


async def test_stopped_while_it_waits_for_snapshots_it_ends_at_once(
    tmp_path: Path, target: str, routes: RouteServer
) -> None:
    files = RelayFiles(tmp_path, target, sync_deadline_s=600, drain_s=600)
    async with relay_process(files) as relay:
        await routes.stream()
        relay.signal(signal.SIGTERM)
        assert await relay.exit_code() == 0
        assert files.ready is None


async def test_keys_rotate_without_a_restart(
    tmp_path: Path, target: str, routes: RouteServer, media: UdpPeer, client: UdpPeer
) -> None:
    files = RelayFiles(tmp_path, target)
    async with relay_process(files) as relay:
        await ready(relay, routes, media)
        before = files.keys
        client.send(check(before), files.media)
        await media.receive()
        held = json.loads(files.keys_file.read_text())["configurations"]
        fresh = {"id": "B", "secret": b64encode(secrets.token_bytes(32)).decode(), "mint": True}
        files.keys_file.write_text(json.dumps({"configurations": [{**held[0], "mint": False}, fresh]}))
        await until(lambda: "its keys are in force" in files.log, "the new keys are in force")
        for keys in (before, files.keys):
            wanted = check(keys)
            client.send(wanted, files.media)
            assert (await media.receive()).datagram[HEADER_BYTES:] == wanted
        files.keys_file.write_text("{}")
        await until(lambda: "cannot be used" in files.log, "a broken file is noticed")
        client.send(check(before), files.media)
        await media.receive()


async def test_prometheus_sees_every_drop_reason_and_every_family_says_what_it_is(
    tmp_path: Path, target: str, routes: RouteServer, media: UdpPeer, client: UdpPeer
) -> None:
    files = RelayFiles(tmp_path, target)
    async with relay_process(files) as relay:
        await ready(relay, routes, media)
        client.send(b"\x05garbage", files.media)
        while not await relay.metric('fabric_relay_drops_total{reason="unknown_kind"}'):
            pass
        _, text = await relay.get("/metrics")
        for reason in DropReason:
            count = 1.0 if reason is DropReason.UNKNOWN_KIND else 0.0
            assert f'fabric_relay_drops_total{{reason="{reason}"}} {count}' in text.splitlines()
        families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
        described = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP") and line.split()[3:]}
        assert families == described
        assert all(family.startswith(("fabric_relay_", "fabric_discovery_", "process_")) for family in families)


@ENGINES
async def test_its_log_names_no_client_no_secret_and_no_packet(
    tmp_path: Path, target: str, routes: RouteServer, media: UdpPeer, client: UdpPeer, engine: str
) -> None:
    files = RelayFiles(tmp_path, target, engine=engine)
    async with relay_process(files) as relay:
        await ready(relay, routes, media)
        lines_before = len(files.log.splitlines())
        good = check(files.keys)
        client.send(good, files.media)
        await media.receive()
        ufrag = files.keys.mint_ufrag(RouteToken(CLUSTER, ALICE, 5))
        for _ in range(20):
            client.send(binding_request(f"{ufrag}:theirs", "guess"), files.media)
            client.send(SRTP_PACKET, files.media)
            await media.receive()
        while await relay.metric('fabric_relay_drops_total{reason="bad_integrity"}') < 20:
            pass
        assert len(files.log.splitlines()) == lines_before, "nothing is logged per packet, even at level debug"
        relay.signal(signal.SIGTERM)
        assert await relay.exit_code() == 0
    secret = json.loads(files.keys_file.read_text())["configurations"][0]["secret"]
    for private in (CLIENT_HOST, secret, ufrag, files.keys.ice_pwd(ufrag)):
        assert private not in files.log
    for line in files.log.splitlines():
        logged = json.loads(line)
        assert (logged["role"], logged["name"]) == ("relay", "relay-under-test")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"keys_file": "/nowhere/keys.json"}, "/nowhere/keys.json: cannot be read"),
        ({"flow_idle": 5}, "flow_idle: no such setting"),
        ({"listen": ["localhost:3478"]}, "listen: "),
        ({"listen": ["127.0.0.1:1", "127.0.0.1:1"]}, "listen: names one address twice"),
        ({"advertise": []}, "advertise: must name one address for each of 'listen'"),
        ({"upstream_listen": "0.0.0.0:0"}, "upstream_listen: must name one address"),
        ({"transceivers": ["transceiver-1"]}, "transceivers: target 'transceiver-1' must be"),
        ({"cluster_id": 65_536}, "cluster_id: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_wrong_configuration_is_one_line_that_says_what(
    tmp_path: Path, target: str, settings: dict[str, object], complaint: str
) -> None:
    files = RelayFiles(tmp_path, target, **settings)
    async with relay_process(files) as relay:
        assert await relay.exit_code() == 2
    assert complaint in files.log
    assert len(files.log.splitlines()) == 1


async def test_an_address_in_use_is_one_line(tmp_path: Path, target: str, media: UdpPeer) -> None:
    files = RelayFiles(tmp_path, target, upstream_listen=f"127.0.0.1:{media.address.port}")
    async with relay_process(files) as relay:
        assert await relay.exit_code() == 1
    assert "in use" in files.log
    assert len(files.log.splitlines()) == 1
