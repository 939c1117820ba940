"""A client's datagrams and the fabric's answers carry EF from end to end: client, relay, transceiver, and back."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.fabric import running_fabric
from tests.support.live_caller import LiveCaller
from wire.address import parse_address

EF = 46
ETH_P_IP, IPV4_BYTES, UDP_BYTES = 0x0800, 20, 8
SPP_MAGIC = bytes([0x56, 0xEC])


@contextmanager
def capture() -> Iterator[socket.socket]:
    """Everything on the loopback interface, from its IP header on."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP)) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        opened.bind(("lo", ETH_P_IP))
        opened.setblocking(False)
        yield opened


def marks(opened: socket.socket, public_port: int) -> dict[str, set[int]]:
    """DSCP seen on each leg of the way. SPP packets of this fabric name its public port in their header."""
    seen: dict[str, set[int]] = {"client to relay": set(), "relay and transceiver": set(), "relay to client": set()}
    while True:
        try:
            packet = opened.recv(65536)
        except BlockingIOError:
            return seen
        source, destination = (int.from_bytes(packet[at : at + 2], "big") for at in (IPV4_BYTES, IPV4_BYTES + 2))
        payload = packet[IPV4_BYTES + UDP_BYTES :]
        if packet[9] != socket.IPPROTO_UDP:
            continue
        if payload[:2] == SPP_MAGIC and int.from_bytes(payload[36:38], "big") == public_port:
            seen["relay and transceiver"].add(packet[1] >> 2)
        elif destination == public_port:
            seen["client to relay"].add(packet[1] >> 2)
        elif source == public_port:
            seen["relay to client"].add(packet[1] >> 2)


@pytest.mark.parametrize("engine", ["python", "native"])
async def test_every_leg_carries_ef(engine: str) -> None:
    if engine == "native":
        pytest.importorskip("offhook_datapath", reason="the native module is not built here")
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("needs root, to capture packets")
        pytest.skip("needs root, to capture packets")
    with running_fabric("--relays", "1", "--transceivers", "1", "--engine", engine) as fabric, capture() as opened:
        async with LiveCaller(fabric) as caller:
            caller.mark(EF)
            await caller.call()
            caller.speak()
            await caller.until(lambda: len(caller.heard) >= 25, "echoes")
        seen = marks(opened, parse_address(fabric.ready["media"][0]).port)
    assert seen == {"client to relay": {EF}, "relay and transceiver": {EF}, "relay to client": {EF}}
