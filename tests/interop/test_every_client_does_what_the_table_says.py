"""Foreign WebRTC stacks call the fabric: audio, data channels, ICE restart, hang-up from either side."""

import asyncio
import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.interop.browser import missing_part, running_browser
from tests.interop.callers import CALLERS, Caller
from tests.interop.findings import LEAST_CORRELATION, audio_agrees, read_findings
from tests.interop.matrix import Row, settle
from tests.support.fabric import Fabric, running_fabric

DEADLINE_S = 90.0
NOTICED_WITHIN_S = 5.0
CONSENT_TIMEOUT_S = 30.0
EVENTS, OTHER = "oai-events", "interop"
LONG_MESSAGE_BYTES = 50_000
RESTART_AFTER_S = 2.5
LISTEN_S = 7.0

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


@pytest.mark.parametrize("caller", [each for each in CALLERS if each.says_goodbye], ids=lambda caller: caller.name)
def test_a_library_does_what_its_row_says(
    caller: Caller,
    require: Callable[[str | None], None],
    show: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    require(caller.missing())
    _check_row(caller, show, request)


@pytest.mark.browser
@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_a_browser_does_what_its_row_says(
    name: str, require: Callable[[str | None], None], show: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    require(missing_part(name))
    fabric: Fabric = request.getfixturevalue("talkative_fabric")
    async with running_browser(name) as browser:
        page = await browser.open_page(fabric.http)
        call = (await page.step("place", _placing(fabric, EVENTS, OTHER)))["call"]
        binary = {"binary": LONG_MESSAGE_BYTES}
        echoed = await page.step(
            "echoes", {"label": EVENTS, "messages": ['{"type":"session.update"}', "grüß dich, 世界"]}
        )
        long = ["text", "", {"binary": 2}, "x" * LONG_MESSAGE_BYTES, binary]
        echoed = await page.step("echoes", {"label": OTHER, "messages": long}) and echoed
        async with page.recording() as recording:
            await asyncio.sleep(RESTART_AFTER_S)
            await page.step("restartIce")
            await asyncio.sleep(LISTEN_S - RESTART_AFTER_S)
        saw_hang_up = await page.step("hangUpByServer")
        await page.step("close")
        page = await browser.open_page(fabric.http)
        closed_call = (await page.step("place", _placing(fabric, EVENTS)))["call"]
        await page.step("close")
        client_closed = f"call ended .*{closed_call} .*reason=client_closed"
        match = recording.match()
        show(f"{name} {browser.version}: correlation {match.correlation:.3f}, delay {match.delay_s * 1000:.0f} ms")
        row = Row(
            client=name.capitalize(),
            version=browser.version,
            audio=match.correlation > LEAST_CORRELATION,
            data_channels=echoed,
            ice_restart=_logged(fabric, f"ice restarted .*{call}"),
            server_hangs_up=saw_hang_up and _logged(fabric, f"call ended .*{call} .*reason=hangup"),
            client_hangs_up=await asyncio.to_thread(_logged, fabric, client_closed, within_s=NOTICED_WITHIN_S),
            note="stock browser, driven",
        )
    assert row[2:7] == (True,) * 5
    settle(row, compare_version=False)


# Last, so that the thirty seconds until consent expires pass while the browsers are at it.
@pytest.mark.parametrize("caller", [each for each in CALLERS if not each.says_goodbye], ids=lambda caller: caller.name)
def test_a_library_without_a_goodbye_does_what_its_row_says(
    caller: Caller,
    require: Callable[[str | None], None],
    show: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    require(caller.missing())
    _check_row(caller, show, request)


def _check_row(caller: Caller, show: Callable[[str], None], request: pytest.FixtureRequest) -> None:
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


def _placing(fabric: Fabric, *labels: str) -> dict[str, object]:
    return {"apiKey": fabric.api_key, "labels": labels, "model": "loopback"}


def _logged(fabric: Fabric, pattern: str, *, within_s: float = 0.0) -> bool:
    """Whether a line of the fabric's log matches, or comes to match."""
    deadline = time.monotonic() + within_s
    while not (found := bool(re.search(pattern, fabric.log.read_text()))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
