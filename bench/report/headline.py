"""The one sentence that a run comes down to, and the word above it."""

from typing import Final, Literal, NamedTuple

from bench.report.measures import measure
from bench.report.model import Result, Slo
from bench.report.shown import shown

Word = Literal["passed", "failed", "measured", "not valid"]


_LIMITS: Final = {
    "generator": "beyond that the load generator, not the target, was the limit",
    "machine": "beyond that the machine that target and load share was the limit",
    "interrupted": "the search was ended by hand",
    "limit": "it was not asked for more",
}


class Headline(NamedTuple):
    """What a reader reads first, and perhaps last.

    Attributes:
        word: `passed` and `failed` only where something was asked for; `not valid` outranks both.
        sentence: the finding.
        asked: what was run, in a sentence.
    """

    word: Word
    sentence: str
    asked: str


def headline(result: Result) -> Headline:
    """The headline of any result."""
    verdict = result.verdict
    if not verdict.valid:
        reason = verdict.invalid_because[0].rstrip(".")
        whose = "machine that target and load share" if verdict.limited_by == "machine" else "load generator"
        return Headline(
            "not valid", f"These figures say more of the {whose} than of what was called: {reason}.", asked(result)
        )
    failed = [slo for slo in verdict.slos if not slo.met]
    word: Word = "failed" if failed or _nothing_up(result) else "passed" if verdict.slos else "measured"
    return Headline(word, _sentence(result, failed), asked(result))


def asked(result: Result) -> str:
    """What was run."""
    run, calls = result.run, result.calls
    where = run.target.url or "servers of this machine"
    early = " Ended early by hand." if run.interrupted else ""
    if calls is None:
        return f"offhook bench {run.bench}, {_count(len(result.rows), 'point')}, {where}.{early}"
    profile = f" that play '{run.profile}'" if run.profile else ""
    return f"{_count(calls.planned, 'call')}{profile}, to {where}, in {shown(run.duration_s, 's')}.{early}"


def _nothing_up(result: Result) -> bool:
    return result.calls is not None and not result.calls.up


def _sentence(result: Result, failed: list[Slo]) -> str:
    if result.verdict.capacity is not None:
        return _capacity(result)
    parts = [_calls(result)]
    if failed:
        parts.append(_broken(failed))
        if result.verdict.limited_by is not None:
            parts.append(f"the {result.verdict.limited_by} was at its limit: {result.verdict.limited_because}")
    elif result.verdict.slos:
        parts.append("every bound was kept" if len(result.verdict.slos) > 1 else "the bound was kept")
    worst = max(result.faults, key=lambda fault: fault.calls_touched, default=None)
    if worst is not None and worst.calls_touched and not failed:
        parts.append(f"{_count(worst.calls_touched, 'call')} felt {worst.name}")
    return "; ".join(part for part in parts if part) + "."


def _capacity(result: Result) -> str:
    capacity = result.verdict.capacity
    assert capacity is not None
    because = f" ({capacity.because})" if capacity.because else ""
    if not capacity.calls:
        why = _LIMITS.get(capacity.stopped_by, f"{capacity.stopped_by} broke").removeprefix("beyond that ")
        return f"Not even the first step kept every bound: {why}{because}."
    why = _LIMITS.get(capacity.stopped_by, f"beyond that {capacity.stopped_by} broke")
    return f"The target carries {_count(capacity.calls, 'call')} at once within every bound; {why}{because}."


def _calls(result: Result) -> str:
    calls = result.calls
    if calls is None:
        bad = sum(row.invalid is not None for row in result.rows)
        return f"{_count(len(result.rows), 'point')} measured" + (f", {bad} of them not valid" if bad else "")
    if not calls.up:
        return f"No call of {calls.begun:,} came up" if calls.begun else "No call was begun"
    whole = calls.up == calls.begun
    up = (
        f"All {calls.up:,} calls came up"
        if whole and calls.up > 1
        else f"{calls.up:,} of {calls.begun:,} calls came up"
    )
    return up + (f", {calls.lost:,} of them were lost" if calls.lost else "")


def _broken(failed: list[Slo]) -> str:
    first = failed[0]
    limit = shown(first.limit, first.unit)
    side = "at most" if first.bound == "most" else "at least"
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    measured = shown(first.actual, first.unit) if first.actual is not None else "not measured"
    subject = measure(first.measure).title + (f", {first.quantile}," if first.quantile else "")
    return f"{subject[0].lower()}{subject[1:]} was {measured} where {side} {limit} is allowed{more}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
