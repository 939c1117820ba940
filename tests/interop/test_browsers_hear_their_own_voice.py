"""A stock browser opens the demo page, presses Call, and hears the echo worker say what its microphone heard."""

import asyncio
from collections.abc import Callable

import pytest

from tests.interop.browser import missing_part, running_browser
from tests.support.fabric import Fabric

LISTEN_S = 8.0

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(180)]


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_a_browser_hears_its_own_voice(
    name: str, require: Callable[[str | None], None], show: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    require(missing_part(name))
    fabric: Fabric = request.getfixturevalue("fabric")
    async with running_browser(name) as browser:
        call = await browser.place_call(fabric.http, fabric.api_key, model="echo")
        status = await call.status()
        assert status.state == "connected", status
        status = await call.heard_something(within_s=15)
        async with call.watched_arrivals() as arrivals, call.recording() as recording:
            await asyncio.sleep(LISTEN_S)
        await call.hang_up()
        assert (await call.until("ended", within_s=5)).end_reason is None

    match = recording.match()
    show(
        f"{name}: mouth to ear {match.delay_s * 1000:.0f} ms (correlation {match.correlation:.3f}), "
        f"POST to first audio {status.elapsed_ms('posted', 'firstAudio'):.0f} ms, "
        f"click to connected {status.elapsed_ms('clicked', 'connected'):.0f} ms, "
        f"{arrivals.packets} packets, longest gap {arrivals.longest_gap_s * 1000:.0f} ms, "
        f"concealed {arrivals.concealed_s * 1000:.0f} ms"
    )
    assert match.correlation > 0.8
    assert match.delay_s > 0
