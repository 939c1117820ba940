"""How `offhook bench calls --find-capacity` steps, and what it makes of the steps' results."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bench.calls.capacity import find
from bench.calls.plan import Plan
from bench.calls.target import Target
from bench.report.model import Calls, Machine, Result, Run, Verdict
from bench.report.model import Target as Called
from bench.report.slo import judged, parse_bound

PLAN = Plan(
    target=Target("whip", "http://127.0.0.1/whip"),
    key=None,
    profile="echo",
    calls=10,
    rate=10,
    duration_s=1,
    processes=1,
    warm_up=1,
    first_address="127.64.0.1",
)
BOUND = parse_bound("failed_share<=1%")


def result(calls: int, *, failed: int, reasons: tuple[str, ...] = ()) -> Result:
    """What a step would bring."""
    failures = [{"cause": "busy", "count": failed}] if failed else []
    return Result(
        run=Run(
            bench="calls",
            version="0",
            target=Called(kind="whip"),
            machine=Machine(cpu="", cores=1, kernel="", python="", load_average=(0, 0, 0)),
            started_at=datetime.now(UTC),
            duration_s=1,
        ),
        verdict=Verdict(
            valid=not reasons,
            invalid_because=reasons,
            limited_by="machine" if reasons else None,
            limited_because="full",
        ),
        calls=Calls.model_validate({"planned": calls, "begun": calls, "up": calls - failed, "failures": failures}),
    )


async def found(*, carries: int, most: int, load_carries: int = 10_000) -> tuple[Result, list[int]]:
    """Searches at a target that carries so many calls, with a load that does."""
    tried = []

    async def play(plan: Plan) -> Result:
        tried.append(plan.calls)
        reasons = ("the load is full",) if plan.calls > load_carries else ()
        step = result(plan.calls, failed=max(0, plan.calls - carries), reasons=reasons)
        return step.model_copy(update={"verdict": step.verdict.model_copy(update={"slos": judged(step, [BOUND])})})

    return await find(PLAN, most, [BOUND], play), tried


@pytest.mark.parametrize("carries", [11, 100, 437, 1999])
async def test_the_capacity_is_found_to_within_five_percent(carries: int) -> None:
    answer, tried = await found(carries=carries, most=2000)
    capacity = answer.verdict.capacity
    assert capacity is not None
    assert capacity.calls in tried
    # One call in a hundred may fail.
    assert 0.93 * carries <= capacity.calls <= 1.02 * carries
    assert capacity.stopped_by in {"failed_share<=1%", "limit"}
    assert answer.calls is not None
    assert answer.calls.planned == capacity.calls
    assert len(tried) == len(answer.rows) <= 20


async def test_the_limit_of_the_option_ends_the_search() -> None:
    answer, tried = await found(carries=5000, most=60)
    assert answer.verdict.capacity is not None
    assert (answer.verdict.capacity.calls, answer.verdict.capacity.stopped_by) == (60, "limit")
    assert tried == [10, 15, 22, 33, 50, 60]


async def test_a_load_that_can_no_more_bounds_the_search_and_says_so() -> None:
    answer, _ = await found(carries=5000, most=1000, load_carries=100)
    capacity = answer.verdict.capacity
    assert capacity is not None
    assert 0.95 * 100 <= capacity.calls <= 100
    assert (capacity.stopped_by, capacity.because) == ("machine", "full")
    assert answer.verdict.valid
    too_much = [row for row in answer.rows if row.invalid is not None]
    assert {row.invalid for row in too_much} == {"the load is full"}


async def test_a_target_that_cannot_even_carry_the_first_step_has_capacity_zero() -> None:
    answer, tried = await found(carries=0, most=1000)
    assert answer.verdict.capacity is not None
    assert answer.verdict.capacity.calls == 0
    assert tried[0] == 10


def test_processes_share_a_schedule_without_a_gap() -> None:
    plan = replace(PLAN, calls=7, processes=3)
    shares = [plan.options(process)["run"]["calls"] for process in range(3)]
    mine = [range(share["process"], share["calls"], share["processes"]) for share in shares]
    assert sorted(index for each in mine for index in each) == list(range(7))
