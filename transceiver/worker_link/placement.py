"""Which worker gets a new session: the less loaded of two drawn by chance.

Two choices keep many transceivers from running to the one worker that looked best in the last report, and come close
to the best choice all the same (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
"""

import random
from collections.abc import Sequence
from typing import TypeVar

from offhook_proto.worker.v1 import worker_pb2

T = TypeVar("T")

STALE_S = 3.0
"""A worker reports every second: what it said longer ago may be of another moment, and says nothing of this one."""


def fresh(load: worker_pb2.LoadReport, age_s: float) -> worker_pb2.LoadReport:
    """What is still known by a report of that age: of a stale one the seats alone, which do not change."""
    return load if age_s <= STALE_S else worker_pb2.LoadReport(max_sessions=load.max_sessions)


def sessions_in_use(load: worker_pb2.LoadReport, own_sessions: int) -> int:
    """Sessions on a worker: what it reported, or what this transceiver alone has there since, whichever is more."""
    return max(load.sessions, own_sessions)


def newness(age_s: float, slow_start_s: float) -> float:
    """What is added to the score of a worker that has just come: 1, falling to 0 within `slow_start_s`.

    Caches are cold and code is not compiled where a worker is new, and as the idlest it would get all calls of a burst.
    """
    return max(0.0, 1.0 - age_s / slow_start_s) if slow_start_s > 0 else 0.0


def load_score(load: worker_pb2.LoadReport, own_sessions: int) -> float:
    """How loaded a worker is, 0 (idle) upwards: its fullest dimension, and any lag behind real time on top."""
    fullness = sessions_in_use(load, own_sessions) / max(1, load.max_sessions)
    lag = max(0.0, load.real_time_factor - 1.0)
    return max(fullness, load.utilization) + lag


def choose(candidates: Sequence[tuple[T, float]], rng: random.Random) -> T:
    """The one with the lower score among two of `candidates` (at least one), the first of them on a tie."""
    drawn = rng.sample(candidates, min(2, len(candidates)))
    return min(drawn, key=lambda candidate: candidate[1])[0]
