"""`offhook bench realtime-sessions` from the outside, at small scale: what it writes, and how it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.report.model import Result
from tests.support.bench_command import bench, missing_tools

pytest.importorskip("offhook_datapath", reason="the native module is not built here")


def test_wrong_options_end_with_advice() -> None:
    ended = bench("realtime-sessions", "--idle", "-1")
    assert ended.returncode == 2
    assert "--idle" in ended.stderr


@pytest.mark.timeout(120)
def test_a_small_run_measures_both_kinds(tmp_path: Path, require: Callable[[str | None], None]) -> None:
    require(missing_tools("taskset", cores=2))
    written = tmp_path / "result.json"
    load = ("--idle", "10", "--speaking", "2", "--slow", "1", "--seconds", "2")
    ended = bench("realtime-sessions", *load, "--json", str(written))
    # A busy machine may make the load late, which it then says.
    assert ended.returncode in {0, 1}, ended.stderr
    result = Result.model_validate_json(written.read_text())
    idle, speaking, answered, beside = ({each.name: each.value for each in row.figures} for row in result.rows)
    names = ["10 idle", "2 speaking", "2 answered", "2 answered beside 1 slow readers"]
    assert [row.name for row in result.rows] == names
    assert idle["memory"] is not None
    assert (speaking["cpu_per_call"] or 0) > 0
    assert result.details["idle"]["load"]["sessions"] == 10
    assert result.details["speaking"]["load"]["answers"] >= 1
    assert (answered["sessions_open"], answered["errors"]) == (2, 0)
    # What was said comes back, give or take the answer that was under way at either end.
    assert 0.2 < (answered["heard_share"] or 0) < 2.5
    assert (beside["readers_cut"], beside["sessions_open"], beside["errors"]) == (1, 2, 0)
    # On a busy machine it may not come to the goodbye.
    codes = result.details["speaking"]["beside_slow_readers"]["readers"]["close_codes"]
    assert set(codes) <= {"1008", "1006"}
