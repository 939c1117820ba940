"""The reports of all calls of a process, as distributions: what the objectives of a service are measured by."""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

from transceiver.quality.report import CallReport
from transceiver.quality.socket_report import SocketReport

STAGES: Final = ("answered", "reached", "connected", "first_audio")
DIRECTIONS: Final = ("from_client", "to_client")
KEPT: Final = 1000
SETUP_BOUNDS_S: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
GAP_BOUNDS: Final = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
MOS_BOUNDS: Final = (1.5, 2.0, 2.5, 3.0, 3.4, 3.6, 3.8, 4.0, 4.2, 4.3, 4.4)


class Distribution:
    """Counts of values by the first of `bounds` that is no less, larger ones last; and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self._bounds = bounds

    def observe(self, value: float) -> None:
        """Counts one."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class QualityTotals:
    """See the module's docstring. Read freely; calls add to it as they end.

    Attributes:
        latest: the last KEPT reports by call id; older ones make room.
    """

    def __init__(self) -> None:
        # Names and, as JSON, values: 250 bytes a report, in one piece. The object is twenty pieces, which stay between
        # what calls use for a moment and keep the memory around them from being given back.
        self.latest: dict[str, tuple[Sequence[str], str]] = {}
        self.setup_s = {stage: Distribution(SETUP_BOUNDS_S) for stage in STAGES}
        self.gap_ratio = {direction: Distribution(GAP_BOUNDS) for direction in DIRECTIONS}
        self.mos = {direction: Distribution(MOS_BOUNDS) for direction in DIRECTIONS}

    def fields_of(self, call: str) -> Mapping[str, object] | None:
        """The report of one of the latest calls, as a log line has it."""
        found = self.latest.get(call)
        return dict(zip(found[0], json.loads(found[1]), strict=True)) if found is not None else None

    def keep(self, call: CallReport | SocketReport) -> None:
        """Has this one at hand, and counts nothing of it."""
        self.latest[call.call] = call.__slots__, json.dumps([*call.fields().values()])
        if len(self.latest) > KEPT:
            del self.latest[next(iter(self.latest))]

    def add(self, call: CallReport) -> None:
        """A call has ended. What it did not reach, or was too short to be rated, counts nowhere."""
        self.keep(call)
        for stage, took_ms in zip(
            STAGES, (call.answered_ms, call.reached_ms, call.connected_ms, call.first_audio_ms), strict=True
        ):
            if took_ms is not None:
                self.setup_s[stage].observe(took_ms / 1000)
        for direction, gap, mos in zip(
            DIRECTIONS,
            (call.from_client_gap_ratio, call.to_client_gap_ratio),
            (call.from_client_mos, call.to_client_mos),
            strict=True,
        ):
            if gap is not None and mos is not None:
                self.gap_ratio[direction].observe(gap)
                self.mos[direction].observe(mos)
