"""`offhook bench realtime-sessions` from the outside, at small scale: what it writes, and how it refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("offhook_datapath", reason="the native module is not built here")


def offhook(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "offhook", "bench", "realtime-sessions", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_wrong_options_end_with_advice() -> None:
    ended = offhook("--idle", "-1")
    assert ended.returncode == 2
    assert "--idle" in ended.stderr


@pytest.mark.timeout(120)
def test_a_small_run_measures_both_kinds(tmp_path: Path) -> None:
    missing = [*(["taskset"] if shutil.which("taskset") is None else []), *(["cores"] if os.cpu_count() == 1 else [])]
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"needs {', '.join(missing)}")
        pytest.skip(f"needs {', '.join(missing)}")
    path = tmp_path / "result.json"
    ended = offhook("--idle", "10", "--speaking", "2", "--slow", "1", "--seconds", "2", "--json", str(path))
    # A busy machine may make the load late, which it then says.
    assert ended.returncode in {0, 1}, ended.stderr
    result = json.loads(path.read_text())
    assert result["idle"]["load"]["sessions"] == 10
    assert result["idle"]["memory_kb_per_session"]["pss"] is not None
    speaking = result["speaking"]
    assert speaking["load"]["sessions"] == 2
    assert speaking["load"]["answers"] >= 1
    assert speaking["load"]["errors"] == 0
    assert speaking["cpu_ms_per_session_second"] > 0
    # What was said comes back, give or take the answer that was under way at either end.
    assert 0.2 < speaking["load"]["heard_share"] < 2.5
    beside = speaking["beside_slow_readers"]
    assert (beside["readers"]["sessions"], beside["readers"]["cut"]) == (1, 1)
    # On a busy machine it may not come to the goodbye.
    assert set(beside["readers"]["close_codes"]) <= {"1008", "1006"}
    assert (beside["sessions"], beside["errors"]) == (2, 0)
    assert "2 of 2 others stayed" in ended.stderr
