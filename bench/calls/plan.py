"""What a run is to do, and when: a schedule that is fixed before it begins."""

import sys
from dataclasses import dataclass
from typing import Any, Final, Literal

from bench.calls.target import Target
from bench.client import callers

Profile = Literal["echo", "conversation", "barge-in", "setup-storm"]
PROFILES: Final[tuple[Profile, ...]] = ("echo", "conversation", "barge-in", "setup-storm")
SIGNALLERS: Final = (16, 256)
"""Requests under way at once, of one process: at least and at most."""
SLOWEST_ANSWER_S: Final = 2.0
"""At which the signalling threads just suffice for the rate."""


@dataclass(frozen=True)
class Plan:
    """A run.

    ```
     echo                                            setup-storm
     0          calls/rate  +1.5 s      +duration    0                          duration
     | arrivals | settle    | measured  |            | arrivals, all measured   |
                                                     each leaves calls/rate after it is up
    ```

    `conversation` and `barge-in` go like `echo`.

    Attributes:
        target: what is called.
        via: URL by which callers reach it, if something stands between.
        key: bearer key, if the target wants one.
        profile: what callers do.
        calls: at once.
        rate: calls that arrive per second.
        duration_s: how long packets (setup-storm: arrivals) count.
        processes: of the load client.
        warm_up: calls before it all, that do not count and show whether the target answers.
        first_address: of the callers; each has one of its own, or a port of its own on that one.
        own_ports: which of the two.
        listeners: in what so many callers hear, marks are looked for: it costs the load 3 % of a core each.
        ca_file: certificates (PEM) of those who vouch for the target, if it has TLS.
        settle_s: from when the last call is due to when packets begin to count.
        ear_buffer_ms: length of the jitter buffer that callers are taken to have.
        setup_timeout_s: who is not up by then has failed.
        dead_after_s: a target from which nothing has come for so long, though callers speak to it, is dead.
    """

    target: Target
    key: str | None
    profile: Profile
    calls: int
    rate: float
    duration_s: float
    processes: int
    warm_up: int
    first_address: str
    own_ports: bool = False
    listeners: int = 4
    ca_file: str | None = None
    settle_s: float = 1.5
    ear_buffer_ms: float = 60.0
    setup_timeout_s: float = 15.0
    dead_after_s: int = 10
    via: str | None = None

    @property
    def program(self) -> list[str]:
        """The load client's command, but for its options."""
        if self.target.kind == "websocket":
            return [sys.executable, "-m", "bench.calls.socket_callers"]
        return callers()

    @property
    def arrivals(self) -> int:
        """Calls in all."""
        return max(1, round(self.rate * self.duration_s)) if self.profile == "setup-storm" else self.calls

    @property
    def measure_from_s(self) -> float:
        """When counting begins."""
        return 0.0 if self.profile == "setup-storm" else self.calls / self.rate + self.settle_s

    @property
    def measure_to_s(self) -> float:
        """When it ends."""
        return self.measure_from_s + self.duration_s

    @property
    def hold_s(self) -> float | None:
        """How long a call stays; None: until the end. So long that as many are up at once as were asked for."""
        return self.calls / self.rate if self.profile == "setup-storm" else None

    def options(self, process: int) -> dict[str, Any]:
        """Options of the load client's process of that number (`bench/caller/src/options.rs`)."""
        run = {
            "calls": self.arrivals,
            "processes": self.processes,
            "process": process,
            "profile": "echo" if self.profile == "setup-storm" else self.profile,
            "measure_from_s": self.measure_from_s,
            "measure_to_s": self.measure_to_s,
            "hold_s": self.hold_s,
            "ear_buffer_ms": self.ear_buffer_ms,
            "listeners": -(-self.listeners // self.processes),
        }
        least, most = SIGNALLERS
        return {
            "url": self.via or self.target.url,
            "end": self.target.end,
            "ca_file": self.ca_file,
            "rate": self.rate,
            "signallers": max(least, min(most, round(self.rate / self.processes * SLOWEST_ANSWER_S))),
            "setup_timeout_s": self.setup_timeout_s,
            "first_address": self.first_address,
            "own_ports": self.own_ports,
            "run": {"calls": run},
        }
