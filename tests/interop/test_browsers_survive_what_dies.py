"""SIGKILL under a stock browser's call: a relay's death is hardly heard, a worker's is said."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.interop.browser import missing_part, running_browser
from tests.support.fabric import running_fabric
from tests.support.metrics import read_metrics

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(180)]

AFTER_DEATH_S = 4.0
# The client's next check, which would bring the flow back without flow sync, is 2.5 s away.
BEARABLE_GAP_S = 1.0


async def test_a_call_outlives_the_relay_that_carries_it(
    require: Callable[[str | None], None], show: Callable[[str], None]
) -> None:
    require(missing_part("chromium"))
    with running_fabric("--relays", "2", "--transceivers", "2", "--workers", "1") as fabric:
        async with running_browser("chromium") as browser:
            call = await browser.place_call(fabric.http, fabric.api_key, model="echo")
            await call.heard_something(within_s=15)
            sample = "fabric_relay_client_datagrams_received_total"
            carrier = max(fabric.processes("relay"), key=lambda relay: read_metrics(relay)[sample])
            async with call.watched_arrivals() as arrivals:
                await asyncio.sleep(1.0)
                fabric.kill(carrier)
                await asyncio.sleep(AFTER_DEATH_S)
            status = await call.status()
            show(
                f"chromium, relay killed: longest gap {arrivals.longest_gap_s * 1000:.0f} ms, "
                f"concealed {arrivals.concealed_s * 1000:.0f} ms"
            )
            assert status.state == "connected", status
            assert arrivals.longest_gap_s < BEARABLE_GAP_S
            await call.hang_up()


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_the_page_says_that_the_worker_is_gone(
    name: str, require: Callable[[str | None], None], show: Callable[[str], None]
) -> None:
    require(missing_part(name))
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "1") as fabric:
        async with running_browser(name) as browser:
            call = await browser.place_call(fabric.http, fabric.api_key, model="echo")
            await call.heard_something(within_s=15)
            (worker,) = fabric.processes("worker")
            fabric.kill(worker)
            killed_at = time.monotonic()
            status = await call.until("ended", within_s=2)
            show(f"{name}, worker killed: the page said so after {(time.monotonic() - killed_at) * 1000:.0f} ms")
            assert status.end_reason is not None
            assert "model" in status.end_reason
