"""`worker.autoscaling.emptiestFirst` on a real ReplicaSet controller: the worker that goes is the one without calls."""

import json
import time
from collections.abc import Callable

from offhook.deletion_costs.cost import ANNOTATION
from tests.cluster.cluster import VALUES, WORKER, Release

SELECTOR = "--selector=app.kubernetes.io/component=worker"
SHORT, LONG, CALLS = 25, 90, 10
WORKERS = VALUES["worker"]["replicas"]


def costs(release: Release) -> dict[str, int]:
    """What each worker's pod costs to delete, by name; pods that go already are left out."""
    pods = json.loads(release.cluster.kubectl("get", "pods", SELECTOR, "--output=json"))["items"]
    return {
        pod["metadata"]["name"]: int(pod["metadata"].get("annotations", {}).get(ANNOTATION, 0))
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
    }


def scale(release: Release, workers: int) -> None:
    release.cluster.kubectl("scale", WORKER, f"--replicas={workers}")
    release.await_rolled(WORKER, within_s=60)


def test_the_worker_without_calls_goes_though_it_is_the_older_one(
    release: Release, show: Callable[[str], None]
) -> None:
    # Nobody serves the metrics here, so the autoscaler itself does nothing. The older one is full when the newer comes.
    values = {"worker": {"maxSessions": 2 * CALLS, "autoscaling": {"kind": "hpa", "minReplicas": 1}}}
    with release.configured(values):
        scale(release, 1)
        (older,) = costs(release)
        with release.calls(2 * CALLS, SHORT):
            scale(release, 2)
            with release.calls(CALLS, LONG, first=2 * CALLS) as calls:
                (newer,) = costs(release).keys() - {older}
                deadline = time.monotonic() + 60
                while not 0 == (known := costs(release))[older] < known[newer]:
                    assert time.monotonic() < deadline, known
                    time.sleep(1)
                scale(release, 1)
                while set(costs(release)) != {newer}:
                    assert time.monotonic() < deadline, costs(release)
                    time.sleep(1)
        # Two owners of a field may not want different things.
        scale(release, WORKERS)
    show(f"costs {known[older]} and {known[newer]}: the worker without calls is gone, the older one; {calls.summary}")
    assert (calls.up, calls.lost) == (CALLS, 0)
