"""What a relay's death costs the calls it carries, with flow sync and without.

Two relays share the public port by SO_REUSEPORT on one core; paced clients and a transceiver run on another, across a
veth pair. Under load one relay gets SIGKILL and the kernel hashes its clients to the other. With flow sync that one
knows them; without, each waits for its client's next check, up to 2.5 s away. Said for each: how long clients heard
nothing at most (which includes the spacing of their packets), over all clients, and how many packets were lost.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from aioice import stun

from bench.relay.compare import (
    CLIENT_PORT,
    FIRST_CLIENT,
    LOAD_CORE,
    PUBLIC_PORT,
    TRANSCEIVER_PORT,
    compiled,
    events,
    require_tools,
    running_relay,
)
from bench.relay.engine_process import TRANSCEIVER_ID
from bench.relay.network import CLIENT_NET, FAR_HOST, RELAY_HOST, Network, inside, network
from bench.relay.result import rows_of_deaths
from bench.report.model import Result
from bench.report.points import Bench, points_result
from offhook.service.config import load_key_ring, new_key_file
from wire.ufrag import KeyRing, RouteToken

CHECK_BYTES: Final = 108
REMOTE_UFRAG: Final = "abcdefgh"
KILL_AFTER_S: Final = 1.0
PACKET_BYTES: Final = 172
METHOD: Final = "SIGKILL of one of two relays, while each client sends a packet every 20 ms and hears it back"


class Wanted(NamedTuple):
    """What to measure.

    Attributes:
        engine: "native" or "python".
        calls: clients, each of which sends a packet every 20 ms and hears it back.
        seconds: from one second before the death on; more than 2.5 + 1, so that every client checks once.
    """

    engine: str = "native"
    calls: int = 1000
    seconds: int = 6


def check(keys: KeyRing, call: int) -> bytes:
    """A client's STUN check, as long as Chromium's."""
    ufrag = keys.mint_ufrag(RouteToken(1, TRANSCEIVER_ID, call))
    attributes = {"USERNAME": f"{ufrag}:{REMOTE_UFRAG}", "PRIORITY": 1, "ICE-CONTROLLING": 1}
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)
    request.add_message_integrity(keys.ice_pwd(ufrag).encode())
    datagram = bytes(request)
    if len(datagram) != CHECK_BYTES:
        raise AssertionError(f"load.c expects checks of {CHECK_BYTES} bytes, not {len(datagram)}")
    return datagram


def one_death(made: Network, folder: Path, load: str, wanted: Wanted, *, synced: bool) -> dict[str, Any]:
    """One run: two relays, one of which dies."""
    line = load_command(load, made, folder, calls=wanted.calls, packets_per_s=wanted.calls * 50, seconds=wanted.seconds)
    with ExitStack() as stack:
        command = relay_command(folder, wanted.engine, flows=wanted.calls if synced else 0)
        first, _ = [stack.enter_context(running_relay(command, made.relay)) for _ in range(2)]
        said: dict[str, dict[str, Any]] = {}
        for event in events(line):
            said[event["event"]] = event
            if event["event"] == "start":
                time.sleep(KILL_AFTER_S)  # the load runs meanwhile; nothing here to wait for
                os.kill(first.process_id, signal.SIGKILL)
    start, end = said["start"], said["end"]
    return {
        "flow_sync": synced,
        "longest_silence_ms": {name: value / 1000 for name, value in said["stop"]["longest_gap_us"].items()},
        "packets_sent": end["sent"] - start["sent"],
        "packets_lost": end["sent"] - end["received"],
    }


def calls_files(folder: Path, calls: int) -> None:
    """Writes routing keys and the check of each call, which the two commands below name."""
    (folder / "keys.json").write_text(json.dumps(new_key_file()))
    keys = load_key_ring(folder / "keys.json")
    (folder / "checks").write_bytes(b"".join(check(keys, call) for call in range(calls)))


def load_command(
    load: str, made: Network, folder: Path, *, calls: int, packets_per_s: float, seconds: float
) -> list[str]:
    """The command line of clients that send checks; `packets_per_s` is what all of them send together."""
    to_relay = [RELAY_HOST, PUBLIC_PORT, FAR_HOST, TRANSCEIVER_PORT, CLIENT_NET, CLIENT_PORT]
    numbers = [calls, PACKET_BYTES, packets_per_s, seconds, 0]
    return inside(made.far, LOAD_CORE, load, *to_relay, *map(str, numbers), str(folder / "checks"))


def relay_command(folder: Path, engine: str, *, flows: int) -> list[str]:
    """The command line of a relay that knows the first so many calls."""
    return [
        *(sys.executable, "-m", "bench.relay.engine_process", "--engine", engine),
        *("--public", f"{RELAY_HOST}:{PUBLIC_PORT}", "--upstream", f"{RELAY_HOST}:0"),
        *("--transceiver", f"{FAR_HOST}:{TRANSCEIVER_PORT}", "--first-client", f"{FIRST_CLIENT}:{CLIENT_PORT}"),
        *("--flows", str(flows), "--gather-us", "500", "--keys", str(folder / "keys.json")),
    ]


def deaths(wanted: Wanted, progress: Callable[[dict[str, Any]], None]) -> Result:
    """One death with flow sync and one without.

    Raises:
        CannotMeasure: this machine lacks something; the message says what.
    """
    require_tools()
    began = datetime.now(UTC)
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as directory, network() as made:
        folder = Path(directory)
        calls_files(folder, wanted.calls)
        _, load = compiled(folder)
        for synced in (True, False):
            results.append(one_death(made, folder, load, wanted, synced=synced))
            progress(results[-1])
    bench = Bench("relay-death", began, wanted._asdict(), METHOD, details={"deaths": results})
    return points_result(bench, list(rows_of_deaths(results)))
