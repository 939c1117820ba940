"""How much of everything so many calls need: arithmetic on measured figures. No I/O.

    relay         packets      the native engine carries them on as many cores as it is given
    transceiver   calls        its event loop has one core; codecs and turn taking have threads beside it
    worker        calls        what the model serves: the reader's own figure

A pod is never filled beyond `1 - headroom`, and each role has one pod more than the calls need, so that one may fail
or be rolled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final

from offhook.sizing.figures import Figure

FRAMES_PER_SECOND: Final = 50
"""Of 20 ms, each way."""
PACKET_BYTES: Final = 28 + 12 + 12 + 16
"""Around a frame: IPv4 and UDP, RTP (RFC 3550), its header extensions (RFC 8285), the tag of AES-GCM (RFC 7714)."""
SPP_BYTES: Final = 38
"""Simple Proxy Protocol, between relay and transceiver."""
MICRO, MILLI = 1e-6, 1e-3
MEBI: Final = 1024 * 1024
KIBI: Final = 1024
RELAYS_CORES: Final = 1.0
"""Of one relay's pod: more pods are better than larger ones."""
MOST_CALLS_PER_TRANSCEIVER: Final = 400
"""`transceiver.maxSessions` of the chart: what one process loses when it is lost."""


class Media(StrEnum):
    """What a model takes and gives."""

    PASSTHROUGH = "passthrough"
    SAMPLES = "samples"


class TurnTaking(StrEnum):
    """What finds turns."""

    MODELS = "models"
    LOUDNESS = "loudness"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The calls that are to be carried; see `offhook size --help`."""

    calls: int
    media: Media = Media.SAMPLES
    turns: TurnTaking = TurnTaking.MODELS
    calls_per_worker: int = 8
    gpus_per_worker: float = 1.0
    kbps: float = 32.0
    speaking: float = 0.4
    answering: float = 0.4
    minutes: float = 5.0
    headroom: float = 0.4


@dataclass(frozen=True, slots=True)
class Role:
    """What one role needs. None: that is the model's own affair.

    Attributes:
        pods: one of which may be missing.
        calls_per_pod: that each carries while none is missing.
        cores_per_pod, memory_bytes_per_pod: to be requested, headroom included.
        cores: in use at that load, all pods together, headroom not included.
    """

    role: str
    pods: int
    calls_per_pod: int
    cores_per_pod: float | None
    memory_bytes_per_pod: int | None
    cores: float | None
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer.

    Attributes:
        client_mbps, inside_mbps: each way, IP headers included.
        packets_per_second: through relays, both ways together.
        rests_on: every figure that was used.
    """

    wanted: Wanted
    roles: tuple[Role, ...]
    client_mbps: float
    inside_mbps: float
    packets_per_second: int
    rests_on: tuple[Figure, ...]


class _Used:
    """The figures, which notes those that are asked for."""

    def __init__(self, figures: Mapping[str, Figure]) -> None:
        self._figures = figures
        self.names: dict[str, None] = {}

    def __getitem__(self, name: str) -> float:
        self.names[name] = None
        return self._figures[name].value

    def all(self) -> tuple[Figure, ...]:
        return tuple(self._figures[name] for name in self.names)


def plan(wanted: Wanted, figures: Mapping[str, Figure]) -> Plan:
    """How much of everything that is."""
    used = _Used(figures)
    roles = (_relays(wanted, used), _transceivers(wanted, used), _workers(wanted))
    payload_bytes = wanted.kbps * 1000 / 8 / FRAMES_PER_SECOND
    packets = wanted.calls * FRAMES_PER_SECOND
    return Plan(
        wanted=wanted,
        roles=roles,
        client_mbps=round(packets * (payload_bytes + PACKET_BYTES) * 8 / 1e6, 2),
        inside_mbps=round(packets * (payload_bytes + PACKET_BYTES + SPP_BYTES) * 8 / 1e6, 2),
        packets_per_second=2 * packets,
        rests_on=used.all(),
    )


def _relays(wanted: Wanted, used: _Used) -> Role:
    cores_per_call = 2 * FRAMES_PER_SECOND * used["relay_us_per_packet"] * MICRO
    pods = _pods(wanted.calls, _whole(RELAYS_CORES * (1 - wanted.headroom) / cores_per_call))
    memory = used["relay_mib"] * MEBI + wanted.calls * used["relay_bytes_per_flow"]
    return Role(
        role="relay",
        pods=pods,
        calls_per_pod=ceil(wanted.calls / pods),
        cores_per_pod=RELAYS_CORES,
        memory_bytes_per_pod=ceil(memory / (1 - wanted.headroom)),
        cores=round(wanted.calls * cores_per_call, 2),
    )


def _transceivers(wanted: Wanted, used: _Used) -> Role:
    loop = _on_the_loop(wanted, used)
    beside = _beside_the_loop(wanted, used)
    fits = min(MOST_CALLS_PER_TRANSCEIVER, _whole((1 - wanted.headroom) / loop))
    pods = _pods(wanted.calls, fits)
    # What each has to carry while another is missing.
    most = ceil(wanted.calls / (pods - 1))
    memory = used["transceiver_mib"] * MEBI + most * used["transceiver_kib_per_call"] * KIBI
    return Role(
        role="transceiver",
        pods=pods,
        calls_per_pod=ceil(wanted.calls / pods),
        cores_per_pod=round(1 + most * beside / (1 - wanted.headroom), 2),
        memory_bytes_per_pod=ceil(memory / (1 - wanted.headroom)),
        cores=round(wanted.calls * (loop + beside), 2),
    )


def _on_the_loop(wanted: Wanted, used: _Used) -> float:
    """Cores of the event loop that a call takes: its media, its frames on the worker link, its share of set-ups."""
    media_ms = used["transceiver_echo_ms_per_second"]
    setup_ms = used["transceiver_setup_ms"] / (wanted.minutes * 60)
    return (media_ms + setup_ms) * MILLI


def _beside_the_loop(wanted: Wanted, used: _Used) -> float:
    """Cores of other threads: codecs where there are samples, models of turn taking."""
    ms = 0.0
    if wanted.media is Media.SAMPLES:
        ms += FRAMES_PER_SECOND * MILLI * (used["decode_us_per_frame"] + wanted.answering * used["encode_us_per_frame"])
    elif wanted.turns is not TurnTaking.NONE:
        ms += FRAMES_PER_SECOND * MILLI * used["decode_us_per_frame"]
    if wanted.turns is TurnTaking.MODELS:
        ms += wanted.speaking * used["turns_speaking_ms_per_second"]
        ms += (1 - wanted.speaking) * used["turns_silent_ms_per_second"]
    elif wanted.turns is TurnTaking.LOUDNESS:
        ms += wanted.speaking * used["turns_loudness_ms_per_second"]
        ms += (1 - wanted.speaking) * used["turns_silent_ms_per_second"]
    return ms * MILLI


def _workers(wanted: Wanted) -> Role:
    pods = _pods(wanted.calls, wanted.calls_per_worker)
    return Role(
        role="worker",
        pods=pods,
        calls_per_pod=ceil(wanted.calls / pods),
        cores_per_pod=None,
        memory_bytes_per_pod=None,
        cores=None,
        gpus=pods * wanted.gpus_per_worker,
    )


def _whole(calls: float) -> int:
    """Rounded down, but for what binary fractions have lost."""
    return int(calls + 1e-9)


def _pods(calls: int, calls_per_pod: int) -> int:
    """As many as carry the calls, and one more."""
    return ceil(calls / max(1, calls_per_pod)) + 1
