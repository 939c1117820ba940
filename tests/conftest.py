"""Settings for every test, the fabric that whole-system tests share, and how optional parts are asked for."""

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from tests.support.fabric import Fabric, running_fabric

# No deadline: a busy machine is not a failure. In CI the same examples on every run, so that a red run is about the
# change; on a laptop new ones each time, which is where new ones are wanted.
settings.register_profile("laptop", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "laptop")


@pytest.fixture(scope="session")
def fabric() -> Iterator[Fabric]:
    """Two relays, two transceivers, one echo worker. For tests that leave it as they found it."""
    with running_fabric("--relays", "2", "--transceivers", "2", "--workers", "1", "--worker", "echo") as running:
        yield running


@pytest.fixture(scope="session")
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
