"""Relays large datagrams there and back where the loopback interface has the MTU of an Ethernet; prints what happened.

Run by tests in a network namespace of its own: `python -m tests.support.mtu_scene ENGINE PAYLOAD_BYTES`.
"""

import asyncio
import json
import sys
from pathlib import Path

from relay.engine.interface import FlowKey
from tests.support.relay_scene import ALICE, relay_scene
from tests.support.udp_peer import Received

CLIENTS = 8
ROUNDS = 10


def fragments_made() -> int:
    """FragCreates of this namespace."""
    rows = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:")]
    return int(dict(zip(*rows, strict=True))["FragCreates"])


async def relay_large_datagrams(engine: str, payload_bytes: int) -> dict[str, int]:
    """Every client sends in every round before anything is awaited, so that a native engine can form trains."""
    async with relay_scene(engine) as scene:
        clients = [await scene.client() for _ in range(CLIENTS)]
        for client in clients:
            await scene.bind(client)
        datagram = bytes([0x80, 111]) + bytes(payload_bytes - 2)
        before = fragments_made()
        for _ in range(ROUNDS):
            for client in clients:
                client.send(datagram, scene.proxy)
            for _ in clients:
                header, arrived = await scene.arrives(ALICE)
                assert arrived == datagram
                flow = FlowKey(header.client, header.proxy)
                scene.send_back(scene.transceivers[ALICE], flow, arrived)
            for client in clients:
                assert await client.receive() == Received(datagram, scene.proxy)
        dropped = scene.engine.counters().drops.total()
        return {"there_and_back": ROUNDS * CLIENTS, "fragments": fragments_made() - before, "dropped": dropped}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(relay_large_datagrams(sys.argv[1], int(sys.argv[2])))))
