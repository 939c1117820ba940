"""`offhook bench compare`: what is alike is called alike, what changed is found, and what cannot be known is said."""

import json
import random
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.compare import CannotCompare, Comparison, compare
from bench.report.comparison import finding
from bench.report.histograms import distribution, recorded
from bench.report.model import Calls, Failure, Packets, Result, Row, Verdict
from bench.report.noise import mann_whitney, permutation_p, quantile_interval, shares_p
from bench.report.quantities import Figure
from bench.report.write import Files, write
from tests.support.bench_results import calls_result, rows_result, run, spread

PAIRS = 40
ALPHA = 0.05


def outcomes(comparison: Comparison) -> dict[str, str]:
    return {change.name: change.outcome for change in comparison.changes}


def one(name: str, median_ms: float, **more: int) -> Result:
    return calls_result(distributions=(spread(name, median_ms, **more),), faults=(), processes=())


def timed(costs: list[float]) -> list[Result]:
    return [
        Result(
            run=run("transceiver"),
            verdict=Verdict(valid=True),
            rows=(Row(name="native", figures=(Figure(name="cpu", unit="ms/call-second", value=cost),)),),
        )
        for cost in costs
    ]


def test_a_run_is_like_itself() -> None:
    found = compare([calls_result()], [calls_result()], threshold=0.0)
    assert not found.worse
    assert set(outcomes(found).values()) <= {"same", "unknown"}
    assert finding(found).word == "passed"


def test_runs_that_are_alike_are_seldom_called_changed() -> None:
    worse = sum(
        bool(
            compare(
                [one("setup", 80, count=300, seed=2 * number)],
                [one("setup", 80, count=300, seed=2 * number + 1)],
                threshold=0.0,
            ).worse
        )
        for number in range(PAIRS)
    )
    # Of all figures of a comparison together, at most one in twenty; half of those for the better.
    assert worse <= PAIRS * ALPHA


def test_a_change_of_a_fifth_is_found() -> None:
    found = compare([one("setup", 80, count=500)], [one("setup", 96, count=500, seed=2)], threshold=0.05)
    assert outcomes(found)["setup.p50"] == "worse"
    back = compare([one("setup", 96, count=500, seed=2)], [one("setup", 80, count=500)], threshold=0.05)
    assert outcomes(back)["setup.p50"] == "better"
    assert "Call setup, p50 is better" in finding(back).sentence


def test_a_sure_but_small_change_does_not_matter() -> None:
    found = compare([one("setup", 80, count=5000)], [one("setup", 82.4, count=5000)], threshold=0.05)
    assert outcomes(found)["setup.p50"] == "same"


def test_packets_of_one_call_are_not_independent() -> None:
    few = Packets(sent=500, received=500, lost=0)
    sides = [one("round_trip", median, count=5000, seed=seed) for median, seed in ((10, 1), (10.8, 2))]
    as_calls = [side.model_copy(update={"packets": few}) for side in sides]
    assert outcomes(compare([sides[0]], [sides[1]], threshold=0.05))["round_trip.p50"] == "worse"
    assert outcomes(compare([as_calls[0]], [as_calls[1]], threshold=0.05))["round_trip.p50"] == "same"


def test_more_is_better_where_it_is() -> None:
    def quality(values: list[int]) -> Result:
        return calls_result(distributions=(distribution("mos", "mos", recorded(values), scale=0.01),), faults=())

    chance = random.Random(1)
    good, poor = ([round(chance.gauss(mean, 5)) for _ in range(400)] for mean in (430, 380))
    assert outcomes(compare([quality(good)], [quality(poor)], threshold=0.05))["mos.p50"] == "worse"


def test_calls_that_fail_are_counted_with_their_noise() -> None:
    def failing(count: int) -> Result:
        calls = Calls(planned=200, begun=200, up=200 - count, failures=(Failure(cause="busy", count=count),))
        return calls_result(calls=calls)

    assert outcomes(compare([failing(2)], [failing(3)], threshold=0.05))["failed_share"] == "same"
    assert outcomes(compare([failing(2)], [failing(30)], threshold=0.05))["failed_share"] == "worse"


def test_one_value_of_each_side_says_nothing_of_noise() -> None:
    assert outcomes(compare(timed([1.0]), timed([1.4]), threshold=0.05)) == {"native: cpu": "unknown"}
    assert "too little was measured" in finding(compare(timed([1.0]), timed([1.4]), threshold=0.05)).sentence


def test_four_runs_of_each_side_do() -> None:
    before, after = [1.0, 1.02, 0.99, 1.01], [1.2, 1.21, 1.19, 1.22]
    assert outcomes(compare(timed(before), timed(after), threshold=0.05)) == {"native: cpu": "worse"}
    assert outcomes(compare(timed(before), timed([0.8, 1.3, 0.9, 1.4]), threshold=0.05)) == {"native: cpu": "same"}


def test_the_more_is_compared_the_more_runs_it_takes() -> None:
    def runs(count: int, median_ms: float, seed: int) -> list[Result]:
        return [
            calls_result(distributions=(spread("setup", median_ms, count=300, seed=seed + number),), faults=())
            for number in range(count)
        ]

    few = compare(runs(4, 80, 1), runs(4, 120, 51), threshold=0.05)
    (setup,) = (change for change in few.changes if change.name == "setup.p50")
    assert setup.outcome == "unknown"
    enough = int(setup.why.partition(": ")[2].split()[0])
    assert 4 < enough <= 7
    assert outcomes(compare(runs(enough, 80, 1), runs(enough, 120, 51), threshold=0.05))["setup.p50"] == "worse"


def test_what_callers_felt_of_a_fault_is_compared() -> None:
    def killed(median_ms: float) -> Result:
        (fault,) = calls_result().faults
        silence = spread("silence", median_ms, count=300)
        return calls_result(faults=(fault.model_copy(update={"silence": silence}),))

    found = outcomes(compare([killed(60)], [killed(900)], threshold=0.05))
    assert found["kill-relay@22s: silence.p50"] == "worse"


def test_different_benchmarks_and_invalid_runs_are_not_compared() -> None:
    with pytest.raises(CannotCompare, match="different things"):
        compare([calls_result()], [rows_result()], threshold=0.05)
    invalid = calls_result(verdict=Verdict(valid=False, invalid_because=("it sent late",)))
    with pytest.raises(CannotCompare, match="it sent late"):
        compare([calls_result()], [invalid], threshold=0.05)


def test_what_else_is_different_is_told() -> None:
    other = calls_result(run=run(options={"calls": 200, "rate": 50.0, "duration": 20.0}))
    assert compare([calls_result()], [other], threshold=0.05).differences == (
        "option duration: 40.0 before, 20.0 after",
    )


def test_mann_whitney_agrees_with_counting_all_pairs() -> None:
    first, second = [10, 20, 20, 30, 50], [20, 30, 40, 40]
    pairs = [(x, y) for x in first for y in second]
    counted = sum((y > x) + (y == x) / 2 for x, y in pairs) / len(pairs)
    assert mann_whitney(recorded(first), recorded(second), (5, 4)).superiority == pytest.approx(counted)


@given(
    st.lists(st.integers(1, 10_000), min_size=1, max_size=60), st.lists(st.integers(1, 10_000), min_size=1, max_size=60)
)
def test_mann_whitney_does_not_mind_which_side_is_first(first: list[int], second: list[int]) -> None:
    sizes = float(len(first)), float(len(second))
    there = mann_whitney(recorded(first), recorded(second), sizes)
    back = mann_whitney(recorded(second), recorded(first), sizes[::-1])
    assert there.superiority == pytest.approx(1 - back.superiority)
    assert there.p == pytest.approx(back.p)
    assert 0 <= there.p <= 1


def test_an_interval_holds_its_quantile() -> None:
    histogram = recorded(range(1, 1001))
    interval = quantile_interval(histogram, 0.5, independent=1000, alpha=0.05)
    assert interval.low < 500 < interval.high
    assert interval.high - interval.low == pytest.approx(2 * 1.96 / 2**0.5 * 0.5 * 1000**0.5, rel=0.1)


def test_too_few_values_cannot_be_dealt_out() -> None:
    assert permutation_p([1, 2, 3], [7, 8, 9], alpha=ALPHA) is None
    assert permutation_p([1, 2, 3, 4], [7, 8, 9, 10], alpha=ALPHA) == pytest.approx(2 / 70)
    assert permutation_p([5, 5, 5, 5], [5, 5, 5, 5], alpha=ALPHA) == 1.0


def test_many_values_are_dealt_out_by_chance_alike_each_time() -> None:
    few, many = ([float(number) for number in range(start, start + 12)] for start in (0, 3))
    p = permutation_p(few, many, alpha=ALPHA)
    assert p == permutation_p(few, many, alpha=ALPHA)
    # Student's test of the same values, t = 2.04 with 22 degrees of freedom, says 0.054; whole numbers have ties.
    assert p == pytest.approx(0.054, abs=0.02)


def test_shares_of_few_calls_differ_by_chance() -> None:
    assert shares_p((0, 20), (1, 20)) > 0.1
    assert shares_p((0, 2000), (100, 2000)) < 1e-6


def compared(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "offhook", "bench", "compare", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_says_what_got_worse_and_ends_with_one(tmp_path: Path) -> None:
    good, bad, page = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "page.html"
    write(one("setup", 80, count=500), Files(json=good))
    write(one("setup", 160, count=500, seed=2), Files(json=bad))
    files = ["--json", str(tmp_path / "out.json"), "--html", str(page), "--junit", str(tmp_path / "out.xml")]
    done = compared(str(good), str(bad), *files)
    assert done.returncode == 1, done.stderr
    assert "FAILED" in done.stdout
    assert "Call setup, p50 is worse" in done.stdout
    written = Comparison.model_validate(json.loads((tmp_path / "out.json").read_text()))
    assert written.worse[0].name == "setup.p50"
    assert "Call setup, p50 is worse" in page.read_text()
    suite = ElementTree.fromstring((tmp_path / "out.xml").read_text())[0]
    assert int(suite.get("failures", "0")) == len(written.worse)
    assert compared(str(good), str(good)).returncode == 0


def test_files_that_are_no_results_are_told(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"version": 1}')
    for name, told in (("none.json", "cannot be read"), ("odd.json", "is no result")):
        done = compared(str(tmp_path / name), str(tmp_path / name))
        assert done.returncode == 2
        assert told in done.stderr
        assert len(done.stderr.splitlines()) == 1
