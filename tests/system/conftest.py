"""One fabric for all system tests that leave it as they found it; those that kill things start their own."""

from collections.abc import Iterator

import pytest

from tests.support.fabric import Fabric, running_fabric


@pytest.fixture(scope="session")
def fabric() -> Iterator[Fabric]:
    """Two relays, two transceivers, one echo worker."""
    with running_fabric("--relays", "2", "--transceivers", "2", "--workers", "1", "--worker", "echo") as running:
        yield running
