"""`bench.enabled`: a load test as a Job, to its end, and its report in a volume."""

import json
import shutil
from collections.abc import Callable

from tests.cluster.cluster import Release

CALLS = 10


def test_the_job_ends_and_leaves_its_report(release: Release, show: Callable[[str], None]) -> None:
    reports = release.cluster.directory / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(mode=0o777)
    reports.chmod(0o777)
    bench = {
        "enabled": True,
        # There is no DNS in it.
        "target": "http://$(FABRIC_OFFHOOK_SERVICE_HOST)/v1/realtime/calls?model=echo",
        "args": [f"--calls={CALLS}", "--rate=10", "--duration=10", "--slo=failed_share<=1%", "--accept-invalid"],
        "reportVolume": {"hostPath": {"path": str(reports), "type": "Directory"}},
    }
    with release.configured({"bench": bench}):
        cluster = release.cluster
        job = cluster.kubectl("get", "jobs", "--selector=app.kubernetes.io/component=bench", "--output=name").strip()
        cluster.kubectl("wait", "--for=condition=complete", job, "--timeout=90s")
        log = cluster.kubectl("logs", job)
    report = json.loads((reports / "result.json").read_text())
    assert report["calls"]["up"] == CALLS
    assert "calls came up" in log
    assert "<html" in (reports / "report.html").read_text()[:500].lower()
    assert 'failures="0"' in (reports / "junit.xml").read_text()
    packets = report["packets"]
    show(f"a load test as a Job: {CALLS} calls, {packets['lost']} of {packets['sent']} packets lost")
