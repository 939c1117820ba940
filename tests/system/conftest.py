"""One fabric for all system tests that leave it as they found it; those that kill things start their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fabric import Fabric, running_fabric


@pytest.fixture(scope="session")
def fabric() -> Iterator[Fabric]:
    """Two relays, two transceivers, one echo worker."""
    with running_fabric("--relays", "2", "--transceivers", "2", "--workers", "1", "--worker", "echo") as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder starts a whole fabric, which takes its time on a busy machine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(180))
