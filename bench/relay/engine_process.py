"""One relay engine in a process of its own, with flows already synced. The benchmark's child; ends with its input.

Prints `{"ready": true}` and how many flows it holds once it forwards. At the end its batches, if it has any, and how
many flows it holds and checks it has verified.
"""

import argparse
import asyncio
import json
import sys
from ipaddress import ip_address
from pathlib import Path

from offhook.service.config import load_key_ring
from relay.engine.choice import native_engine_installed, open_engine
from relay.engine.interface import Engine, EngineSettings, FlowKey, Listener
from wire.address import Address, parse_address

TRANSCEIVER_ID = 1
FLOWS_PER_CALL = 10_000


def arguments() -> argparse.Namespace:
    """What the benchmark asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=["native", "python"], required=True)
    parser.add_argument("--public", type=parse_address, required=True)
    parser.add_argument("--upstream", type=parse_address, required=True)
    parser.add_argument("--transceiver", type=parse_address, required=True)
    parser.add_argument("--first-client", type=parse_address, required=True, help="The others have the next hosts.")
    parser.add_argument("--flows", type=int, required=True, help="Flows already synced.")
    parser.add_argument("--max-flows", type=int, default=100_000)
    parser.add_argument("--flow-idle-s", type=float, default=30.0, help="Life of a flow that only checks vouch for.")
    parser.add_argument("--keys", type=Path, help="Routing keys, for clients that send checks.")
    parser.add_argument("--gather-us", type=int, required=True)
    parser.add_argument("--gather-above", type=int, default=20_000)
    return parser.parse_args()


async def main(wanted: argparse.Namespace) -> None:
    """Forwards until standard input ends."""
    settings = EngineSettings(
        cluster_id=1,
        listeners=[Listener(wanted.public, wanted.public)],
        upstream=wanted.upstream,
        max_flows=max(wanted.flows, wanted.max_flows),
        unsynced_flow_idle_s=wanted.flow_idle_s,
        threads=1,
        gather_us=wanted.gather_us,
        gather_above=wanted.gather_above,
    )
    engine = open_engine(wanted.engine, settings)
    if wanted.keys is not None:
        engine.set_keys(load_key_ring(wanted.keys))
    engine.set_transceiver(TRANSCEIVER_ID, wanted.transceiver)
    first, port = ip_address(wanted.first_client.host), wanted.first_client.port
    for start in range(0, wanted.flows, FLOWS_PER_CALL):
        numbers = range(start, min(start + FLOWS_PER_CALL, wanted.flows))
        engine.upsert_flows(
            TRANSCEIVER_ID, [FlowKey(Address(str(first + number), port), wanted.public) for number in numbers]
        )
    await engine.listen()
    print(json.dumps({"ready": True, "flows": engine.flow_count()}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(json.dumps(batches(engine)), flush=True)
    counters = engine.counters()
    held = {"flows": engine.flow_count(), "checks_verified": counters.checks_verified}
    print(json.dumps(held | {"drops": {reason.value: count for reason, count in counters.drops.items() if count}}))
    await engine.close()


def batches(engine: Engine) -> dict[str, int]:
    """Batches of the native engine, packets in them, its trains and packets in those. Empty for the other."""
    if not native_engine_installed():
        return {}
    # Here and not above, so that this module loads where the native one is missing.
    from relay.engine.native import NativeEngine  # noqa: PLC0415  (reason: the line above)

    if not isinstance(engine, NativeEngine):
        return {}
    reports = engine.thread_reports()
    return {
        "batches": sum(sum(report.batches) for report in reports),
        "packets": sum(report.client_datagrams_received + report.transceiver_datagrams_received for report in reports),
        "gathered": sum(report.gathered for report in reports),
        "trains": sum(report.trains_sent for report in reports),
        "train_packets": sum(report.train_datagrams_sent for report in reports),
    }


if __name__ == "__main__":
    asyncio.run(main(arguments()))
