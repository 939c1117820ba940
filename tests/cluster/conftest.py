"""A real two-node Kubernetes with a release of the chart on it. `make test-cluster` runs what needs it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, Release

collect_ignore_glob = [] if os.environ.get("OFFHOOK_CLUSTER") else ["test_*.py"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes and a client host, with the project's images."""
    started = Cluster(Path(os.environ["OFFHOOK_CLUSTER"]).resolve())
    started.up()
    try:
        yield started
    finally:
        started.down()


@pytest.fixture(scope="session")
def release(cluster: Cluster) -> Release:
    """The chart, installed, with relays behind a UDP NodePort that keeps the client's address."""
    return cluster.install()
