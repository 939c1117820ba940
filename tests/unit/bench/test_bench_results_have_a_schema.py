"""The result of a benchmark: its schema is the documented one, and what contradicts itself is no result."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from bench.report.histograms import decoded, distribution, merged, recorded
from bench.report.model import Machine, Result, Run, Target, Verdict
from bench.report.quantities import Series, Timeline
from bench.report.schema import PAGE, schema

RUN = Run(
    bench="calls",
    version="0.1.0",
    target=Target(kind="whip", url="http://127.0.0.1/whip"),
    machine=Machine(cpu="x", cores=2, kernel="6", python="3.11", load_average=(0.0, 0.0, 0.0)),
    started_at=datetime(2026, 11, 24, tzinfo=UTC),
    duration_s=3.0,
)


def result(**more: Any) -> Result:  # noqa: ANN401 - parts of a result
    return Result(run=RUN, verdict=Verdict(valid=True), **more)


def test_the_documented_schema_is_that_of_the_model() -> None:
    assert PAGE.read_text(encoding="utf-8") == schema(), "python -m bench.report.schema writes it anew"


def test_a_result_survives_being_written_and_read() -> None:
    whole = result(distributions=(distribution("setup", "ms", recorded([1000, 2000, 3000]), scale=0.001),))
    assert Result.model_validate_json(whole.model_dump_json()) == whole
    assert json.loads(whole.model_dump_json())["schema_version"] == 1


def test_quantiles_are_in_the_unit_of_the_distribution() -> None:
    (setup,) = (distribution("setup", "ms", recorded([*[10_000] * 98, 500_000, 900_000]), scale=0.001),)
    assert setup.count == 100
    assert setup.p50 == pytest.approx(10, rel=0.001)
    assert setup.p99 == pytest.approx(500, rel=0.001)
    assert setup.max == pytest.approx(900, rel=0.001)


def test_a_distribution_of_nothing_has_no_quantiles() -> None:
    none = distribution("setup", "ms", recorded([]), scale=0.001)
    assert (none.count, none.p50, none.histogram) == (0, None, None)


def test_histograms_of_several_processes_are_one() -> None:
    parts = [distribution("x", "ms", recorded(values), scale=0.001) for values in ([1000] * 3, [5000])]
    encoded = [part.histogram.base64 for part in parts if part.histogram]
    whole = merged(encoded)
    assert whole.get_total_count() == 4
    assert whole.get_value_at_percentile(75) == 1000
    assert whole.get_max_value() == pytest.approx(5000, rel=0.001)


@pytest.mark.parametrize("text", ["", "abc", "HISTFAAA", "!!!!"])
def test_what_is_no_histogram_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an HDR histogram"):
        decoded(text)


def test_a_run_is_invalid_for_a_reason() -> None:
    with pytest.raises(ValidationError, match="for reasons"):
        Verdict(valid=False)
    with pytest.raises(ValidationError, match="for reasons"):
        Verdict(valid=True, invalid_because=("late",))


def test_series_of_one_timeline_are_equally_long() -> None:
    with pytest.raises(ValidationError, match="same length"):
        Timeline(
            series=(
                Series(name="active_calls", unit="calls", values=(1.0,)),
                Series(name="setups", unit="calls", values=(1.0, 2.0)),
            )
        )


def test_a_name_is_given_once() -> None:
    twice = distribution("setup", "ms", recorded([1]), scale=0.001)
    with pytest.raises(ValidationError, match="names of their own"):
        result(distributions=(twice, twice))


def test_what_a_result_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Result.model_validate({**result().model_dump(), "surprise": 1})
