"""A browser that sends megabytes without waiting gets every byte back, in order, and costs no memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.browser import missing_part, running_browser
from tests.support.fabric import Fabric, running_fabric

LABEL = "flood"
MESSAGE_BYTES = 64_000
MESSAGES = 125
MOST_GROWTH_MB = 24

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(170)]


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    """One transceiver, so that it is the one."""
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "0") as fabric:
        yield fabric


def most_memory_mb(fabric: Fabric) -> float:
    """What the transceiver has held at most."""
    (process,) = fabric.processes("transceiver")
    for line in Path(f"/proc/{process['pid']}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_nothing_is_lost_and_nothing_grows(
    name: str, fabric: Fabric, require: Callable[[str | None], None], show: Callable[[str], None]
) -> None:
    require(missing_part(name))
    async with running_browser(name) as browser:
        page = await browser.open_page(fabric.http)
        await page.step("place", {"apiKey": fabric.api_key, "labels": [LABEL], "model": "loopback"})
        before = most_memory_mb(fabric)
        flood = await page.step("flood", {"label": LABEL, "count": MESSAGES, "bytes": MESSAGE_BYTES})
        grown = most_memory_mb(fabric) - before
        megabytes = MESSAGES * MESSAGE_BYTES / 1e6
        show(f"{name}: {megabytes:.0f} MB there and back in {flood['ms'] / 1000:.1f} s, {grown:.1f} MB more memory")
        assert flood["inOrder"]
        assert grown < MOST_GROWTH_MB
        # The call goes on as before.
        assert await page.step("hangUpByServer")
