"""CPU of one echoed packet in the session's Python: RTP in, through the hub to a listener that sends it back, RTP out.

No sockets and no event loop: packets are made beforehand and handed over one by one, as `now` walks in steps of 20 ms.
Two figures: `hub` is hub and session alone, from a lane's frame on; `port_and_hub` adds the lane, the envelope and SRTP
of the `python` media port.

    PYTHONPATH=. python -P bench/bench_session_echo.py [--against CHECKOUT]

With `--against`, rounds alternate between this checkout and another one of this repository (such as a `git worktree`
of the commit before), each in a process of its own, so that both see the same machine. Prints one JSON object.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from tests.support.webrtc_client import WebRtcClient
from transceiver.config import SessionLimits
from transceiver.hub import SessionHub
from transceiver.media_port.interface import Path as MediaPath
from transceiver.media_port.python_core import PythonMediaPort
from transceiver.session.actions import AudioReceived, CloseReason
from transceiver.session.certificate import Certificate
from transceiver.session.session import Session
from wire.address import Address
from wire.spp import HEADER_BYTES, encode_header
from wire.ufrag import KeyRing, RouteKey

ROUNDS = 7
PACKETS = 5_000
FRAME_S = 0.02
PAYLOAD = bytes(80)
ROOT = Path(__file__).resolve().parents[1]
RELAY, CLIENT, PUBLIC = Address("10.0.0.1", 9000), Address("198.51.100.7", 40_000), Address("203.0.113.1", 3478)
ENVELOPE = encode_header(CLIENT, PUBLIC)

_Item = TypeVar("_Item")


class Echo:
    """A listener that is its own model, and a flow listener that has nobody to tell."""

    hub: SessionHub
    calls_connected = 0

    def connected(self, session: Session, now: float) -> None:
        """Counts."""
        self.calls_connected += 1

    def audio(self, session: Session, frame: AudioReceived, now: float) -> None:
        """Sends it back."""
        self.hub.send_audio(session, frame.payload, frame.rtp_timestamp, frame.marker, now)

    def application_data(self, session: Session, data: bytes, now: float) -> None:
        """None is sent."""

    def key_pressed(self, session: Session, press: object, now: float) -> None:
        """None is."""

    def ice_restarted(self, session: Session, now: float) -> None:
        """No client asks for it."""

    def closed(self, session: Session, reason: CloseReason, now: float) -> None:
        """Fails the run."""
        raise RuntimeError(f"the session ended: {reason}")

    def flow_bound(self, session: Session, path: MediaPath, ssrcs: Collection[int], selected: bool) -> None:
        """Nobody asks."""

    def flow_unbound(self, path: MediaPath) -> None:
        """Nobody asks."""


class PlainPort(PythonMediaPort):
    """Leaves out what a media port does with RTP, to measure the hub alone."""

    packets_sent = 0

    def send_rtp(self, session_id: int, path: MediaPath, packet: bytes) -> None:
        """Counts."""
        self.packets_sent += 1


class Call:
    """One connected call on a hub of its own."""

    def __init__(self, port: type[PythonMediaPort]) -> None:
        self.now = 1000.0
        self._to_client: list[bytes] = []
        self.port = port(Address("10.1.0.1", 7000), self._sendto)
        self.port.accept_relays([RELAY])
        echo = Echo()
        self.hub = echo.hub = SessionHub(
            self.port,
            echo,
            keys=KeyRing(RouteKey("A", bytes(range(32)))),
            cluster_id=1,
            transceiver_id=1,
            certificate=Certificate(),
            candidates=lambda: [PUBLIC],
            limits=SessionLimits(consent_timeout_s=1e6, max_duration_s=1e6),
            max_sessions=1,
            max_connecting=1,
            arm=lambda when: None,
        )
        self.client = WebRtcClient()
        self.session = self.hub.create(self.client.offer(), echo, now=self.now)
        self.client.accept(self.session.answer, self.now)
        while self.client.connected_at is None or not echo.calls_connected:
            self._exchange()

    def packets(self) -> list[bytes]:
        """The next PACKETS of the client, not yet protected."""
        return [self.client.audio_packet(PAYLOAD, 960 * index, level=30) for index in range(PACKETS)]

    def replay(self, receive: Callable[[_Item], None], packets: list[_Item]) -> float:
        """CPU microseconds per packet that is received and answered, timers included."""
        hub = self.hub
        began = time.process_time_ns()
        for packet in packets:
            self.now += FRAME_S
            due = hub.next_timeout()
            if due is not None and due <= self.now:
                hub.handle_timeout(self.now)
            receive(packet)
        return (time.process_time_ns() - began) / len(packets) / 1000

    def _exchange(self) -> None:
        self.now += 0.01
        self.client.handle_timeout(self.now)
        self.hub.handle_timeout(self.now)
        for datagram in self.client.take_datagrams():
            self.port.receive(ENVELOPE + datagram, RELAY, self.now)
        received, self._to_client = self._to_client, []
        for datagram in received:
            self.client.receive(datagram[HEADER_BYTES:], self.now)

    def _sendto(self, datagram: bytes, relay: Address) -> None:
        if self.client.connected_at is None:
            self._to_client.append(datagram)


def measure_hub() -> float:
    """Hub and session alone."""
    call = Call(PlainPort)
    session_id = call.session.session_id
    # As a media port's lane hands them over.
    frames = [
        AudioReceived(PAYLOAD, "opus", 960 * index, index, marker=False, level_dbov=30, lost_before=0)
        for index in range(PACKETS)
    ]
    cost = call.replay(lambda frame: call.hub.audio_received(session_id, frame, call.now), frames)
    assert isinstance(call.port, PlainPort)
    assert call.port.packets_sent == PACKETS, "every packet is echoed"
    return cost


def measure_port_and_hub() -> float:
    """With envelope and SRTP."""
    call = Call(PythonMediaPort)
    before = call.port.counters.datagrams_sent
    protected = [ENVELOPE + call.client.protect(packet) for packet in call.packets()]
    cost = call.replay(lambda datagram: call.port.receive(datagram, RELAY, call.now), protected)
    assert call.port.counters.datagrams_sent - before >= PACKETS, "every packet is echoed"
    return cost


def one_round(checkout: Path) -> dict[str, float]:
    """Measures a checkout in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-P", str(Path(__file__).resolve()), "--one-round"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603  # this very script
    result: dict[str, float] = json.loads(done.stdout)
    return result


def summarise(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Best and median of each figure."""
    return {
        name: {
            "best": round(min(each[name] for each in rounds), 2),
            "median": round(statistics.median(each[name] for each in rounds), 2),
        }
        for name in rounds[0]
    }


def main() -> None:
    """Prints the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout, measured alternately")
    parser.add_argument("--one-round", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one_round:
        print(json.dumps({"hub": measure_hub(), "port_and_hub": measure_port_and_hub()}))
        return
    # Only here: a round may run in a checkout that has no such module.
    from bench.machine import machine  # noqa: PLC0415 - see the line above

    checkouts = {"this": ROOT}
    if arguments.against is not None:
        checkouts["against"] = arguments.against.resolve()
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    for _ in range(ROUNDS):
        for name, checkout in checkouts.items():
            rounds[name].append(one_round(checkout))
    result = {
        "bench": "session_echo",
        "unit": "CPU microseconds per packet received and sent back",
        "method": f"{ROUNDS} rounds, alternating between checkouts, {PACKETS} packets each, process CPU time",
        "machine": machine(),
        "versions": {
            "pylibsrtp": version("pylibsrtp"),
            "pyopenssl": version("pyopenssl"),
        },
        "results": {name: summarise(each) for name, each in rounds.items()},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
