"""`offhook bench worker-link` at small scale: both ways carry every frame, and one of them in fewer messages."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.report.shown import shown


def test_both_ways_are_measured_on_the_same_frames(tmp_path: Path) -> None:
    if shutil.which("taskset") is None or (os.cpu_count() or 1) < 2:
        if os.environ.get("CI") == "true":
            pytest.fail("needs taskset and two cores")
        pytest.skip("needs taskset and two cores")
    path = tmp_path / "result.json"
    command = [sys.executable, "-m", "offhook", "bench", "worker-link", "--sessions", "4", "--seconds", "1"]
    page = tmp_path / "report.html"
    files = ["--json", str(path), "--html", str(page), "--junit", str(tmp_path / "junit.xml")]
    done = subprocess.run([*command, *files], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(path.read_text())
    assert [point["way"] for point in result["points"]] == ["batched", "one-per-message"]
    assert all(point["frames_each_way"] == 200 for point in result["points"])
    assert all(point["cpu_us_per_frame"]["worker"] > 0 for point in result["points"])
    assert {"grpcio", "protobuf"} <= result["versions"].keys()
    assert result["machine"]["cores"] >= 2
    (row,) = result["summary"]
    assert row["batching_saves_times"] > 0
    told = page.read_text()
    assert "2 points measured." in told
    for way in ("batched", "one-per-message"):
        assert f"{way}, 4 sessions" in told
        assert shown(row[way]["cpu_us_per_frame"], "us") in told
    assert 'name="the run is valid"' in (tmp_path / "junit.xml").read_text()
