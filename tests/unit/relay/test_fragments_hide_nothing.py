"""Fragmented datagrams: the kernel hands a relay whole ones or none, so fragments get past nothing and cost nothing.

Needs raw sockets (CAP_NET_RAW), without which the scenes are skipped.
"""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.relay_scene import ALICE, CLUSTER, RelayScene, binding_request
from tests.support.udp_peer import until
from wire.address import Address
from wire.drop import DropReason
from wire.spp import SppHeader
from wire.ufrag import RouteToken

SENDER = Address("127.0.0.9", 40_009)
MORE_FRAGMENTS = 0x2000
OFFSET_UNIT = 8
CUT = 64
"""Behind the beginning of USERNAME."""


@pytest.fixture
def raw() -> Iterator[socket.socket]:
    try:
        opened = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    except PermissionError:
        pytest.skip("raw sockets are not permitted here")
    with opened:
        yield opened


def fragment(identification: int, proxy: Address, payload: bytes, *, offset: int, more: bool) -> bytes:
    """An IPv4 packet; the kernel fills in its checksum."""
    flags = (MORE_FRAGMENTS if more else 0) | offset // OFFSET_UNIT
    addresses = socket.inet_aton(SENDER.host) + socket.inet_aton(proxy.host)
    length = 20 + len(payload)
    return (
        struct.pack("!BBHHHBBH", 0x45, 0, length, identification, flags, 64, socket.IPPROTO_UDP, 0)
        + addresses
        + payload
    )


def udp(datagram: bytes, proxy: Address) -> bytes:
    """With its UDP header, without a checksum, which IPv4 allows."""
    return struct.pack("!HHHH", SENDER.port, proxy.port, 8 + len(datagram), 0) + datagram


def wrong_check(scene: RelayScene) -> bytes:
    ufrag = scene.keys.mint_ufrag(RouteToken(CLUSTER, ALICE, 1))
    return binding_request(f"{ufrag}:theirs", "x" * 24)


def reassembly_requests() -> int:
    rows = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:")]
    return int(dict(zip(*rows, strict=True))["ReasmReqds"])


async def test_a_check_in_fragments_is_judged_as_a_whole(scene: RelayScene, raw: socket.socket) -> None:
    for identification, check in enumerate([wrong_check(scene), scene.check()], start=1):
        packet = udp(check, scene.proxy)
        # The second half first, as an attacker would who hopes that somebody looks at single fragments.
        raw.sendto(fragment(identification, scene.proxy, packet[CUT:], offset=CUT, more=False), (scene.proxy.host, 0))
        raw.sendto(fragment(identification, scene.proxy, packet[:CUT], offset=0, more=True), (scene.proxy.host, 0))
    assert await scene.arrives(ALICE) == (SppHeader(SENDER, scene.proxy), check)
    await scene.dropped(DropReason.BAD_INTEGRITY)


async def test_fragments_that_never_make_a_whole(scene: RelayScene, raw: socket.socket) -> None:
    packet = udp(scene.check(), scene.proxy)
    before = reassembly_requests()
    for identification in range(1000, 1020):
        first = fragment(identification, scene.proxy, packet[:CUT], offset=0, more=True)
        overlapping = fragment(identification, scene.proxy, packet[CUT - 8 :], offset=CUT - 8, more=False)
        for part in (first, first) if identification % 2 else (first, overlapping):
            raw.sendto(part, (scene.proxy.host, 0))
    await until(lambda: reassembly_requests() >= before + 40, "the kernel has seen the fragments")
    await scene.nothing_has_reached_a_transceiver()
    assert scene.engine.counters().client_datagrams_received == len(scene.transceivers)
