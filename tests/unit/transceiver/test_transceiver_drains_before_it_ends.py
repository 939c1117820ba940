"""A transceiver that is told to stop takes no new call, waits for those it has, and then ends."""

import asyncio
from pathlib import Path

import pytest

from tests.support.http_scene import ask
from tests.support.whole_transceiver import CALLS, config, whole_transceiver
from transceiver.routes.route_service import RouteService


async def test_calls_go_on_new_ones_are_refused_and_the_last_hang_up_ends_the_process(tmp_path: Path) -> None:
    async with whole_transceiver(config(tmp_path, drain_s=600), tmp_path) as made:
        status, call_id = await made.place()
        assert status == 201
        made.stop.set()
        async with asyncio.timeout(20):
            while await made.readiness() != "draining":
                await asyncio.sleep(0.01)
        assert await made.place() == (503, "draining")
        assert not made.task.done()
        status, _ = await ask("POST", f"{made.http}{CALLS}/{call_id}/hangup")
        assert status == 200
        await asyncio.wait_for(made.task, 20)


async def test_calls_that_do_not_end_by_themselves_are_ended(tmp_path: Path) -> None:
    async with whole_transceiver(config(tmp_path, drain_s=0), tmp_path) as made:
        assert (await made.place())[0] == 201
        made.stop.set()
        await asyncio.wait_for(made.task, 20)


async def test_a_part_that_fails_ends_the_process_rather_than_being_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = asyncio.Event()

    async def fail(_service: RouteService) -> None:
        await broken.wait()
        raise RuntimeError("broken")

    monkeypatch.setattr(RouteService, "expire_relays", fail)
    async with whole_transceiver(config(tmp_path, drain_s=600), tmp_path) as made:
        broken.set()
        with pytest.raises(RuntimeError, match="broken"):
            await asyncio.wait_for(made.task, 20)
