"""werift, a WebRTC stack in TypeScript, calls the echo worker and gets its own Opus frames back, byte for byte."""

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fabric import Fabric

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
DEADLINE_S = 60.0
# The first frames may be sent before the far side listens; on a busy machine the pacer may give up a late one.
LEAST_SHARE = 0.9

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


def _missing_part() -> str | None:
    if shutil.which("node") is None:
        return "no node here"
    if not (HERE / "node_modules" / "werift").is_dir():
        return "tests/interop has no node_modules: run make setup-test"
    return None


async def _call_with_werift(fabric: Fabric) -> dict[str, Any]:
    caller = await asyncio.create_subprocess_exec(
        *("node", HERE / "werift_caller.mjs", fabric.http, fabric.api_key, DATA, "echo"), stdout=PIPE, cwd=HERE
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            output, _ = await caller.communicate()
    except TimeoutError:
        caller.kill()
        await caller.wait()
        raise
    assert caller.returncode == 0
    result: dict[str, Any] = json.loads(output)
    return result


def _is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest: Iterator[str] = iter(whole)
    return all(element in rest for element in part)


async def test_werift_gets_its_own_payloads_back(
    require: Callable[[str | None], None], show: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    require(_missing_part())
    result = await _call_with_werift(request.getfixturevalue("fabric"))
    sent, received = result["sent"], result["received"]
    show(f"werift: {len(received)} of {len(sent)} frames back, connected in {result['connected_ms']:.0f} ms")
    assert len(received) >= LEAST_SHARE * len(sent)
    assert _is_subsequence(received, sent), "a frame came back changed, twice or out of order"
    assert result["hang_up_status"] == 200
