"""CPU of speech on its way to callers: a model's frames, made ahead of time, from the pacer to the kernel.

Many sessions on one media port and one event loop speak for a few seconds; all their frames are queued beforehand. What
counts is the CPU time of the process, all threads, per session and second: pacing, RTP, SRTP, envelope, system calls.
Nobody reads what is sent. Beside it, how often the process went to sleep.

    PYTHONPATH=. python -P bench/bench_model_voice.py [--port native] [--sessions 200] [--seconds 6]
"""

import argparse
import asyncio
import json
import resource
import socket
import time

import uvloop
from offhook_proto.worker.v1 import worker_pb2

from bench.machine import machine
from transceiver.calls.model_voice import ModelVoice
from transceiver.media_port.choice import open_media_port
from transceiver.media_port.interface import MediaPort, Path, SrtpKeys, SrtpProfile
from transceiver.playout.pacer import Pacer
from transceiver.session.rtp import build_rtp
from wire.address import Address

FRAME_US = 20_000
FRAME = bytes(160)
KEYS = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, inbound=bytes(28), outbound=bytes(range(28)))


class Stream:
    """One session's end of the audio; see `ClientSide`."""

    def __init__(self, port: MediaPort, number: int, relay: Address) -> None:
        self._port = port
        self._number = number
        self._path = Path(Address("198.51.100.7", number), Address("203.0.113.1", 3478))
        self._sequence = 0
        port.start_srtp(number, KEYS)
        port.bind(self._path, number, relay)

    def send_audio(self, payload: bytes, rtp_timestamp: int, marker: bool) -> None:
        """Not asked for: what is said here is ahead of its time."""
        raise AssertionError

    def schedule_audio(
        self, payload: bytes, rtp_timestamp: int, marker: bool, due: float, level_dbov: int | None
    ) -> None:
        """Builds a packet and schedules it."""
        packet = build_rtp(111, marker, self._sequence % 65_536, rtp_timestamp, self._number, payload, b"")
        self._sequence += 1
        self._port.schedule_rtp(self._number, self._path, packet, due, time.monotonic())

    @property
    def audio_waiting(self) -> int:
        """Asks the port."""
        return self._port.rtp_waiting(self._number)

    @property
    def audio_unconfirmed(self) -> int | None:
        """Nobody reports."""
        return None

    def take_back_audio(self) -> int:
        """Nothing is interrupted here."""
        return 0


class Listener:
    """Hears what was played, and keeps nothing."""

    def voice_played(self, response_id: str, *, drained: bool) -> None:
        """Nothing to do."""

    def voice_position(self, response_id: str, played_us: int, received_us: int, buffered_ms: int) -> None:
        """Nothing to do."""

    def voice_credit(self, audio_ms: int) -> None:
        """Nothing to do."""

    def voice_over(self) -> None:
        """Nothing to do."""


async def measure(port_name: str, sessions: int, seconds: int) -> dict[str, float]:
    """Lets them all speak."""
    port = await open_media_port("native" if port_name == "native" else "python", Address("127.0.0.1", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
        relay.bind(("127.0.0.1", 0))
        address = Address(*relay.getsockname())
        voices = []
        for number in range(1, sessions + 1):
            stream = Stream(port, number, address)
            voice = ModelVoice(
                stream, lambda ready: Pacer(48_000, max_buffered_ms=600_000), Listener(), now=time.monotonic
            )
            for index in range((seconds + 4) * 50):
                audio = worker_pb2.AudioFrame(payload=FRAME, media_time_us=index * FRAME_US, duration_us=FRAME_US)
                audio.response_id = "response"
                voice.push(audio, "response")
            voices.append(voice)
        for voice in voices:
            voice.connected()
            # Callers do not begin to listen at the same moment.
            await asyncio.sleep(1.0 / sessions)
        await asyncio.sleep(0.5)
        before, sent_before, began = (
            resource.getrusage(resource.RUSAGE_SELF),
            port.counters.datagrams_sent,
            time.monotonic(),
        )
        await asyncio.sleep(seconds)
        after, sent, elapsed = (
            resource.getrusage(resource.RUSAGE_SELF),
            port.counters.datagrams_sent,
            time.monotonic() - began,
        )
        for voice in voices:
            voice.close()
        port.close()
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "cpu_ms_per_session_second": round(1000 * cpu_s / elapsed / sessions, 3),
        "packets_per_session_second": round((sent - sent_before) / elapsed / sessions, 2),
        "switches_per_second": round((after.ru_nvcsw - before.ru_nvcsw) / elapsed),
    }


def main() -> None:
    """Prints the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--port", choices=["native", "python"], default="native")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=6)
    arguments = parser.parse_args()
    result = {
        "bench": "model_voice",
        "unit": "CPU milliseconds of the process per session and second of speech (50 packets)",
        "method": f"{arguments.sessions} sessions for {arguments.seconds} s on the {arguments.port} port",
        "machine": machine(),
        "results": uvloop.run(measure(arguments.port, arguments.sessions, arguments.seconds)),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
