"""Settings for every test, the fabric that whole-system tests share, and how optional parts are asked for."""

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from tests.support.fabric import Fabric, running_fabric

MEASURED = "measured"
"""The property of a test under which `show` notes a figure."""

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
def show(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Notes a measured figure, which the end of the run prints whether or not the test passes."""
    return lambda text: request.node.user_properties.append((MEASURED, text))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests have measured, in whichever process they ran."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    figures = [
        f"{report.nodeid.partition('::')[2]}: {text}"
        for report in reports
        if report.when == "call"
        for name, text in report.user_properties
        if name == MEASURED
    ]
    if figures:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(figures))
