"""`offhook bench calls` in conversation with the voice agent: over WebRTC, interrupting it, and over a WebSocket."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.report.model import Result
from offhook.models.manifest import Part
from offhook.models.store import has_part
from tests.support.bench_command import command, environment, missing_callers
from tests.support.fabric import running_fabric

SECONDS = 15


@pytest.mark.system
@pytest.mark.timeout(500)
def test_answers_and_interruptions_are_timed_on_either_transport(
    tmp_path: Path, require: Callable[[str | None], None]
) -> None:
    require(None if has_part(Part.AGENT) else "the agent's models are not fetched")
    require(missing_callers())
    with running_fabric("--worker", "agent", "--transceivers", "1", "--relays", "1") as fabric:
        runs = {
            profile: subprocess.Popen(
                command(
                    *("calls", "--target", target, "--profile", profile, "--duration", str(SECONDS)),
                    *("--accept-invalid", "--json", str(tmp_path / f"{profile}.json")),
                ),
                env=environment(fabric.api_key),
                stderr=subprocess.PIPE,
                text=True,
            )
            for profile, target in (
                ("barge-in", fabric.http),
                ("conversation", f"ws{fabric.http.removeprefix('http')}"),
            )
        }
        for run in runs.values():
            _, said = run.communicate(timeout=300)
            assert run.returncode == 0, said
    for profile in runs:
        result = Result.model_validate_json((tmp_path / f"{profile}.json").read_text())
        assert result.calls is not None
        assert (result.calls.up, result.calls.failed) == (1, 0)
        first_audio = result.distribution("first_audio")
        assert first_audio is not None
        assert first_audio.count >= 1
        assert 0 < (first_audio.p50 or 0) < 10_000
    interrupted = Result.model_validate_json((tmp_path / "barge-in.json").read_text()).distribution("interruption")
    assert interrupted is None or (interrupted.max or 0) < 10_000
