"""The fabric that foreign clients call, and how their figures are shown."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.support.fabric import Fabric, running_fabric


@pytest.fixture(scope="session")
def fabric() -> Iterator[Fabric]:
    """Two relays, two transceivers, one echo worker. For tests that leave it as they found it."""
    with running_fabric(
        *("--relays", "2", "--transceivers", "2", "--workers", "1", "--worker", "echo", "--engine", "python")
    ) as running:
        yield running


@pytest.fixture
def require() -> Callable[[str | None], None]:
    """Skips the test for the reason given, if one is; in CI, where nothing may be missing, it fails instead."""

    def check(missing: str | None) -> None:
        if missing and os.environ.get("CI") == "true":
            pytest.fail(f"{missing}, and CI must run this")
        if missing:
            pytest.skip(missing)

    return check


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a measured figure whether or not the test passes."""

    def write(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}", flush=True)

    return write
