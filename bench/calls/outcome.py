"""The result of a run of calls, out of what was recorded."""

import os
from collections.abc import Sequence
from typing import Any, Final

from bench.calls.causes import CAUSES
from bench.calls.faults import TOUCHED_OVER_MS, felt
from bench.calls.limits import MachineUse, Shortcomings, limit, why_invalid
from bench.calls.run import Recorded
from bench.client import versions
from bench.machine import machine
from bench.report.histograms import distribution, merged
from bench.report.model import Calls, Failure, Generator, Machine, Packets, Process, Result, Run, Target, Verdict
from bench.report.quantities import Distribution, Figure, Phase, Series, Timeline, Unit
from bench.report.slo import Bound, judged
from offhook import __version__

METHOD_SOCKETS: Final = (
    "Callers on WebSockets with recorded speech, 100 ms of PCM in each event, in an open loop. Packets are events that "
    "hold audio: so many a call has not the meaning that it has with RTP."
)
METHOD: Final = (
    "Real WebRTC callers (ICE, DTLS, SRTP) with recorded speech, in an open loop: when each call and packet is due is "
    "fixed before the run, and every time counts from then."
)
TIMES: Final = (
    "setup",
    "setup_answer",
    "setup_ice",
    "setup_dtls",
    "setup_first_media",
    "round_trip",
    "longest_silence",
    "jitter",
    "mouth_to_ear",
    "first_audio",
    "interruption",
)
DISTRIBUTIONS: Final[dict[str, Unit]] = {**dict.fromkeys(TIMES, "ms"), "mos": "mos"}
"""What callers measure, and its unit in the result."""
SCALE: Final = 0.001
"""A recorded 1 is so much of it: a microsecond, a thousandth of a MOS."""


def result(recorded: Recorded, bounds: Sequence[Bound], options: dict[str, Any]) -> Result:
    """The result, judged."""
    bare = _Figures(recorded).result(options)
    slos = judged(bare, bounds)
    return bare.model_copy(update={"verdict": bare.verdict.model_copy(update={"slos": slos})})


class _Figures:
    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._plan = recorded.plan
        self._tally = recorded.tally
        self._calls = self._count_calls()
        self._packets = self._count_packets()

    def result(self, options: dict[str, Any]) -> Result:
        plan, tally = self._plan, self._tally
        processes = self._processes()
        use = self._machine_use(processes)
        generator = self._generator(use)
        distributions = self._distributions()
        return Result(
            run=Run(
                bench="calls",
                version=__version__,
                target=Target(kind=plan.target.kind, url=plan.target.shown),
                profile=plan.profile,
                options=options,
                method=METHOD_SOCKETS if plan.target.kind == "websocket" else METHOD,
                machine=Machine(**machine()),
                versions=versions(),
                started_at=self._recorded.started_at,
                duration_s=plan.measure_from_s + tally.measured_s,
                interrupted=self._recorded.interrupted,
            ),
            verdict=self._verdict(generator, processes, use),
            calls=self._calls,
            packets=self._packets,
            figures=self._shares(),
            distributions=distributions,
            timeline=self._timeline(),
            faults=felt(self._recorded.faults, tally, self._end_s),
            processes=tuple(processes),
            generator=generator,
            details={"target_died_at_s": self._recorded.died_at_s},
        )

    @property
    def _end_s(self) -> float:
        return float(max(self._tally.seconds, default=-1) + 1)

    def _count_calls(self) -> Calls:
        tally = self._tally
        failures = [
            Failure(cause=cause, count=count, first=first or CAUSES.get(cause, ""))
            for cause, (count, first) in tally.failures().items()
        ]
        return Calls(
            planned=self._plan.arrivals,
            begun=tally.count("calls", "begun") - tally.count("calls", "cut_off"),
            up=tally.count("calls", "up"),
            lost=tally.count("calls", "lost"),
            most_at_once=max((second.counts["active"] for second in tally.seconds.values()), default=0),
            failures=tuple(failures),
        )

    def _count_packets(self) -> Packets:
        """By the numbers that came back; of a target that makes audio of its own, by RTP sequence numbers."""
        tally = self._tally
        echoed = tally.count("packets", "echoed")
        arrived, missing = tally.count("packets", "arrived"), tally.count("packets", "missing")
        sent = tally.count("packets", "sent")
        return Packets(
            sent=sent,
            received=echoed or arrived,
            lost=max(0, sent - echoed) if echoed or not arrived else missing,
            reordered=tally.count("packets", "reordered"),
            duplicates=tally.count("packets", "duplicates"),
        )

    def _shares(self) -> tuple[Figure, ...]:
        tally, packets = self._tally, self._packets
        played = tally.count("packets", "arrived") + tally.count("packets", "missing")
        concealed = tally.count("packets", "missing") + tally.count("packets", "late")
        heard = packets.received + packets.lost
        shares = {
            "failed_share": (self._calls.failed, self._calls.begun),
            "lost_share": (packets.lost, heard),
            "reordered_share": (packets.reordered, packets.received),
            "duplicate_share": (packets.duplicates, packets.received),
            "concealed_share": (concealed, played),
        }
        return tuple(
            Figure(name=name, unit="share", value=round(part / whole, 6) if whole else None)
            for name, (part, whole) in shares.items()
        )

    def _distributions(self) -> tuple[Distribution, ...]:
        all_of_them = (
            distribution(name, unit, self._tally.histogram(name), scale=SCALE) for name, unit in DISTRIBUTIONS.items()
        )
        # Not every profile measures everything, and a target that makes audio of its own has no round trip.
        return tuple(each for each in all_of_them if each.count)

    def _timeline(self) -> Timeline:
        plan, tally = self._plan, self._tally
        seconds = [tally.seconds[number] for number in range(int(self._end_s))]
        counted: dict[str, tuple[Unit, list[float | None]]] = {
            "active_calls": ("calls", [second.counts["active"] for second in seconds]),
            "setups": ("calls", [second.counts["setups"] for second in seconds]),
            "failures": ("calls", [second.counts["failures"] for second in seconds]),
            "packets_sent": ("packets", [second.counts["sent"] for second in seconds]),
            "packets_received": ("packets", [second.counts["arrived"] for second in seconds]),
            "packets_lost": ("packets", [self._lost(second.counts) for second in seconds]),
            "silent_calls": (
                "calls",
                [tally.silent_calls(number, TOUCHED_OVER_MS) for number in range(len(seconds))],
            ),
        }
        trips = [distribution("", "ms", merged(second.round_trip_us), scale=SCALE) for second in seconds]
        counted["round_trip_p50"] = ("ms", [trip.p50 for trip in trips])
        counted["round_trip_p99"] = ("ms", [trip.p99 for trip in trips])
        series = tuple(Series(name=name, unit=unit, values=tuple(of)) for name, (unit, of) in counted.items())
        begin, end = plan.measure_from_s, min(plan.measure_to_s, max(self._end_s, plan.measure_from_s))
        ramp = (Phase(name="ramp", from_s=0.0, to_s=begin),) if begin else ()
        return Timeline(series=series, phases=(*ramp, Phase(name="steady", from_s=begin, to_s=end, measured=True)))

    def _lost(self, counts: dict[str, int]) -> float:
        # A target that echoes nothing is judged by what its own numbers skip.
        return max(0, counts["sent"] - counts["echoed"]) if self._echoes else counts["missing"]

    @property
    def _echoes(self) -> bool:
        return self._tally.count("packets", "echoed") > 0 or not self._tally.count("packets", "arrived")

    def _processes(self) -> list[Process]:
        seconds = self._tally.measured_s
        return self._recorded.watch.figures(
            before="before",
            begin="begin",
            end="end",
            seconds=seconds,
            call_seconds=self._calls.most_at_once * seconds,
        )

    def _machine_use(self, processes: Sequence[Process]) -> MachineUse:
        recorded, seconds = self._recorded, self._tally.measured_s
        begin, end = recorded.own_use.get("begin"), recorded.own_use.get("end")
        here = recorded.watch.local_names
        target = {each.name: each.cpu_share_of_core or 0.0 for each in processes if each.name in here}
        if begin is None or end is None or not seconds:
            return MachineUse(os.cpu_count() or 1, None, 0.0, target)
        told = begin.machine_s is not None and end.machine_s is not None
        busy = ((end.machine_s or 0.0) - (begin.machine_s or 0.0)) / seconds if told else None
        return MachineUse(os.cpu_count() or 1, busy, max(0.0, end.load_s - begin.load_s) / seconds, target)

    def _generator(self, use: MachineUse) -> Generator:
        late = distribution("", "ms", self._tally.histogram("generator_late"), scale=SCALE)
        first, last = int(self._plan.measure_from_s), int(self._end_s)
        return Generator(
            processes=self._plan.processes,
            cpu_share_of_core=self._tally.busiest_process_share(first, last),
            cores_used=use.load or None,
            machine_cores_busy=use.busy,
            late_p99_ms=late.p99,
            unsent=self._tally.count("packets", "unsent"),
        )

    def _verdict(self, generator: Generator, processes: Sequence[Process], use: MachineUse) -> Verdict:
        offers = distribution("", "ms", self._tally.histogram("generator_offers_late"), scale=SCALE)
        recorded = self._recorded
        short = Shortcomings(
            offers.p99, self._packets.sent, recorded.own_drops, recorded.path_late_share, self._tally.broken
        )
        reasons = tuple(why_invalid(generator, short, use))
        found = limit(generator, processes, use, reasons)
        return Verdict(
            valid=not reasons,
            invalid_because=reasons,
            limited_by=found.side,
            limited_because=found.because,
        )
