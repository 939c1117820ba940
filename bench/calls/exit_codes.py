"""How `offhook bench calls` ends."""

from typing import Final

from bench.calls.causes import CAUSES
from bench.calls.tally import Tally
from bench.report.model import Result

FINE: Final = 0
NOT_MET: Final = 1
CANNOT: Final = 2
UNREACHABLE: Final = 3
KEY_REFUSED: Final = 4
DIED: Final = 5
INVALID: Final = 6
REFUSES: Final = 7
INTERRUPTED: Final = 130

MEANINGS: Final = {
    FINE: "every call was up, and every SLO kept",
    NOT_MET: "calls failed, or an SLO was broken",
    CANNOT: "an option that cannot be, or something is missing here",
    UNREACHABLE: "nobody answers at the target",
    KEY_REFUSED: "the target does not take the key",
    DIED: "the target stopped answering in the middle",
    INVALID: "the load was the bottleneck: the figures say nothing of the target",
    REFUSES: "the target answers, but takes no call",
    INTERRUPTED: "ended by Ctrl-C; what was measured until then is reported",
}

_OF_CAUSES: Final = {
    "unreachable": UNREACHABLE,
    "http_timeout": UNREACHABLE,
    "answer_timeout": UNREACHABLE,
    "ice_timeout": UNREACHABLE,
    "unauthorized": KEY_REFUSED,
    "generator": CANNOT,
}


def of_warm_up(tally: Tally) -> tuple[int, str] | None:
    """Why there is no point in going on: no call at all was answered. The code, and a line for the user."""
    failures = tally.failures()
    if not failures or tally.count("calls", "up"):
        return None
    cause, (_, first) = next(iter(failures.items()))
    return _OF_CAUSES.get(cause, REFUSES), f"{CAUSES[cause]} ({first})"


def of_result(result: Result, *, accept_invalid: bool = False) -> int:
    """The code of a run that has a result."""
    calls = result.calls
    assert calls is not None
    if result.details.get("target_died_at_s") is not None:
        return DIED
    if result.run.interrupted:
        return INTERRUPTED
    if result.verdict.capacity is not None and result.verdict.valid:
        return FINE if result.verdict.capacity.calls else NOT_MET
    if not result.verdict.valid and not accept_invalid:
        return INVALID
    kept = all(slo.met for slo in result.verdict.slos)
    # Whoever has said how many may fail has said it in an SLO.
    judged = any(slo.measure == "failed_share" for slo in result.verdict.slos)
    # Over WebSockets a storm of setups is silent.
    heard = result.packets is None or result.packets.received > 0 or not result.packets.sent
    return FINE if kept and heard and (judged or not calls.failed) else NOT_MET
