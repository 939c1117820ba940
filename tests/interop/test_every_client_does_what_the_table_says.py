"""Foreign WebRTC stacks call the fabric: audio, data channels, ICE restart, hang-up from either side."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.interop.callers import CALLERS, Caller
from tests.interop.findings import audio_agrees, read_findings
from tests.interop.matrix import Row, settle
from tests.support.fabric import Fabric, running_fabric

DEADLINE_S = 90.0
NOTICED_WITHIN_S = 5.0
CONSENT_TIMEOUT_S = 30.0

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def talkative_fabric() -> Iterator[Fabric]:
    """One whose log says what becomes of each call."""
    with running_fabric("--relays", "2", "--transceivers", "2", "--workers", "1", "--log-level", "info") as fabric:
        yield fabric


@pytest.fixture(scope="module")
def running(talkative_fabric: Fabric) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """All stacks that can run here, calling at the same time."""
    processes = {caller.name: caller.start(talkative_fabric) for caller in CALLERS if caller.missing() is None}
    yield processes
    for process in processes.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_a_library_does_what_its_row_says(
    caller: Caller,
    require: Callable[[str | None], None],
    show: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    require(caller.missing())
    fabric: Fabric = request.getfixturevalue("talkative_fabric")
    process: subprocess.Popen[bytes] = request.getfixturevalue("running")[caller.name]
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    findings = read_findings(output)
    heard, figures = audio_agrees(findings.audio)
    show(f"{caller.name} {findings.version}: {figures}")
    reason, within_s = ("client_closed", NOTICED_WITHIN_S)
    if not caller.says_goodbye:
        reason, within_s = ("consent_expired", CONSENT_TIMEOUT_S + NOTICED_WITHIN_S)
    row = Row(
        client=caller.name,
        version=findings.version,
        audio=heard,
        data_channels=findings.echoed,
        ice_restart=_logged(fabric, f"ice restarted .*{findings.call}"),
        server_hangs_up=findings.saw_hang_up and _logged(fabric, f"call ended .*{findings.call} .*reason=hangup"),
        client_hangs_up=_logged(fabric, f"call ended .*{findings.closed_call} .*reason={reason}", within_s=within_s),
        note=caller.note,
    )
    assert row[2:7] == (True, True, caller.restarts_ice, True, True)
    settle(row, compare_version=caller.pinned)


def _logged(fabric: Fabric, pattern: str, *, within_s: float = 0.0) -> bool:
    """Whether a line of the fabric's log matches, or comes to match."""
    deadline = time.monotonic() + within_s
    while not (found := bool(re.search(pattern, fabric.log.read_text()))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
