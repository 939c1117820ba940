"""`offhook bench worker-link` at small scale: both ways carry every frame, and one of them in fewer messages."""

from collections.abc import Callable
from pathlib import Path

from bench.report.model import Result
from bench.report.shown import shown
from tests.support.bench_command import bench, missing_tools


def test_both_ways_are_measured_on_the_same_frames(tmp_path: Path, require: Callable[[str | None], None]) -> None:
    require(missing_tools("taskset", cores=2))
    written, page, cases = tmp_path / "result.json", tmp_path / "report.html", tmp_path / "cases.xml"
    files = ("--json", str(written), "--html", str(page), "--junit", str(cases))
    ended = bench("worker-link", "--sessions", "4", "--seconds", "1", *files)
    assert ended.returncode == 0, ended.stderr
    result = Result.model_validate_json(written.read_text())
    assert [row.labels["way"] for row in result.rows] == ["batched", "one-per-message"]
    assert all(point["frames_each_way"] == 200 for point in result.details["points"])
    assert {"grpcio", "protobuf"} <= result.run.versions.keys()
    saved = result.figure("batching_saves_at_4_sessions")
    assert saved is not None
    assert (saved.value or 0) > 0
    told = page.read_text()
    assert "2 points measured." in told
    for row in result.rows:
        figures = {figure.name: figure.value for figure in row.figures}
        assert (figures["cpu_per_frame_worker"] or 0) > 0
        assert row.name in told
        assert shown(figures["cpu_per_frame"], "us") in told
    assert 'name="the run is valid"' in cases.read_text()
