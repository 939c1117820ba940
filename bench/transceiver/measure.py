"""One point of a comparison: one server, so many sessions. Samples the server when the load client says so."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from bench.client import LOAD_BUSY, LOAD_LATE_US, Load
from bench.process import Cpu, Memory, udp_drops
from bench.transceiver.scrape import Scrape, dropped_between, lag_quantile_ms, scrape
from bench.transceiver.servers import Server

PACKETS_PER_S: Final = 50
GATHER_ABOVE_PER_S: Final = 20_000
GATHER_US: Final = 500
"""Above 20,000 packets per second a relay lets packets gather for so long; the load does as a relay does."""
WARM_UP_CALLS: Final = 20


class Sample(NamedTuple):
    """A server at one moment."""

    cpu: Cpu
    memory: Memory
    metrics: Scrape | None
    server_drops: int
    load_drops: int


def options(server: Server, *, calls: int, rate: float, seconds: float, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - passed on as JSON
    """Options of a run of the load client (`bench/caller/src/options.rs`) that plays."""
    gather_us = GATHER_US if calls * PACKETS_PER_S > GATHER_ABOVE_PER_S else 0
    storm = {name: more.pop(name) for name in ("storm_calls", "storm_rate") if name in more}
    play = {"calls": calls, "seconds": seconds, **storm}
    return {**server.load, "rate": rate, "gather_us": gather_us, **more, "run": {"play": play}}


def warm_up(server: Server, *, core: int | None) -> None:
    """Some calls that do not count: first ones make a server load and allocate what it keeps."""
    with Load(options(server, calls=WARM_UP_CALLS, rate=20, seconds=0.5), core=core) as load:
        for _ in load.events():
            pass


def round_trips(server: Server, *, delay_ms: float, core: int | None) -> dict[str, Any]:
    """How many round trips setup takes, behind a user-space delay of `delay_ms` each way: medians after the answer."""
    with Load(options(server, calls=10, rate=10, seconds=0.1, delay_ms=delay_ms), core=core) as load:
        setup = next(event for name, event in load.events() if name == "setup")
    trip_us = 2000 * delay_ms
    stages = {"stun": "answer_to_stun_us", "dtls": "answer_to_dtls_us", "media": "answer_to_media_us"}
    medians = {name: setup[key].get("p50") for name, key in stages.items()}
    return {
        "round_trip_ms": 2 * delay_ms,
        **{name: round(value / trip_us, 2) if value else None for name, value in medians.items()},
    }


class Point:
    """Takes samples as the load speaks, and makes figures of them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._client_port = 0
        self._samples: dict[str, Sample] = {}
        self._said: dict[str, Mapping[str, Any]] = {}

    def run(self, wanted: Mapping[str, Any], *, core: int | None) -> dict[str, Any]:
        """Runs the load. Returns the point.

        Raises:
            LoadFailed: the load client ended before its time.
        """
        with Load(wanted, core=core) as load:
            for name, event in load.events():
                if name == "ready":
                    self._client_port = event["client_port"]
                self._samples[name] = self._sample(ending=name.endswith("end"))
                self._said[name] = event
        return self._figures(wanted["run"]["play"])

    def _sample(self, *, ending: bool) -> Sample:
        server = self._server
        # Reading the metrics costs the server some milliseconds, which belong to no stretch that is measured.
        cpu = server.process.cpu() if ending else None
        metrics = scrape(server.metrics) if server.metrics else None
        return Sample(
            cpu or server.process.cpu(),
            server.process.memory(),
            metrics,
            udp_drops(server.media_port) if server.media_port else 0,
            udp_drops(self._client_port) if self._client_port else 0,
        )

    def _figures(self, play: Mapping[str, Any]) -> dict[str, Any]:
        said, samples = self._said, self._samples
        calls = said["settled"]["calls"]
        steady = said["steady"]["playing"]
        setup_cpu = samples["setup"].cpu.since(samples["setup_begin"].cpu)
        held = samples["settled"].memory
        before = samples["setup_begin"].memory
        point = {
            "sessions": play["calls"],
            "sessions_up": calls,
            "setup": {
                "cpu_ms_per_call": per(setup_cpu.running * 1000, play["calls"]),
                **said["setup"],
            },
            "memory_kb_per_session": {
                "pss": per(held.pss_kb - before.pss_kb, calls),
                "rss": per(held.rss_kb - before.rss_kb, calls),
            },
            **self._stretch("steady_begin", "steady_end", steady),
            "failures": said["end"]["failures"],
        }
        if "storm_end" in samples:
            storm = said["storm"]
            used = samples["storm_end"].cpu.since(samples["storm_begin"].cpu)
            playing = self._stretch("storm_begin", "storm_end", storm["playing"])
            # What the calls that play cost is known; the rest is what setting up cost.
            own = (point["cpu_ms_per_session_second"] or 0) / 1000 * calls * storm["playing"]["seconds"]
            point["storm"] = {
                "calls_per_s": play["storm_rate"],
                "cpu_ms_per_call": per((used.running - own) * 1000, play["storm_calls"]),
                "arriving": storm["arriving"],
                "playing": playing,
            }
        return point

    def _stretch(self, begin: str, end: str, playing: Mapping[str, Any]) -> dict[str, Any]:
        before, after = self._samples[begin], self._samples[end]
        used = after.cpu.since(before.cpu)
        seconds, calls = playing["seconds"], playing["calls"]
        figures = {
            "cpu_ms_per_session_second": per(used.running * 1000, calls * seconds, 3),
            "user_share": round(used.user_share, 2),
            "cpu_share_of_core": round(used.running / seconds, 3),
            "lost_share": per(playing["lost"], playing["sent"], 6),
            "playing": playing,
            "udp_drops": {
                "server": after.server_drops - before.server_drops,
                "load": after.load_drops - before.load_drops,
            },
            "invalid": why_invalid(playing["load"]),
        }
        if before.metrics is not None and after.metrics is not None:
            lag = {name: lag_quantile_ms(before.metrics, after.metrics, share) for name, share in QUANTILES.items()}
            figures["loop_lag_ms_at_most"] = lag
            figures["drops"] = dropped_between(before.metrics, after.metrics)
        return figures


QUANTILES: Final = {"p50": 0.5, "p99": 0.99}


def why_invalid(load: Mapping[str, Any]) -> str | None:
    """Why a stretch says more of the load client than of the server; None if it does not."""
    if load["cpu_share_of_core"] > LOAD_BUSY:
        return f"the load client used {load['cpu_share_of_core']:.0%} of its core"
    late_us = load["late_us"].get("p99", 0)
    if late_us > LOAD_LATE_US:
        return f"the load client sent {late_us / 1000:.0f} ms late at the 99th percentile"
    return None


def per(amount: float, units: float, digits: int = 2) -> float | None:
    """Amount per unit; None of no units."""
    return round(amount / units, digits) if units else None
