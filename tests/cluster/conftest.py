"""A real two-node Kubernetes with a release of the chart on it. `make test-cluster` runs what needs it."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, Release

collect_ignore_glob = [] if os.environ.get("OFFHOOK_CLUSTER") else ["test_*.py"]


@pytest.fixture(scope="session")
def took(pytestconfig: pytest.Config) -> Callable[[str, float], None]:
    """Prints how long something took that began at a time of the monotonic clock."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def write(what: str, began_at: float) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n  {what}: {time.monotonic() - began_at:.0f} s", flush=True)

    return write


@pytest.fixture(scope="session")
def cluster(took: Callable[[str, float], None]) -> Iterator[Cluster]:
    """Two nodes and a client host, with the project's images."""
    started = Cluster(Path(os.environ["OFFHOOK_CLUSTER"]).resolve())
    began_at = time.monotonic()
    started.up()
    took("two nodes are ready after", began_at)
    try:
        yield started
    finally:
        started.down()


@pytest.fixture(scope="session")
def release(cluster: Cluster, took: Callable[[str, float], None]) -> Release:
    """The chart, installed, with relays behind a UDP NodePort that keeps the client's address."""
    began_at = time.monotonic()
    installed = cluster.install()
    took("the chart is installed after another", began_at)
    return installed
