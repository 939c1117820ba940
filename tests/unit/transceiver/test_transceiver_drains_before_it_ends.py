"""A transceiver that is told to stop takes no new call, waits for those it has, and then ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from offhook.service.config import new_key_file
from tests.support.http_scene import KEY, ask
from tests.support.webrtc_client import WebRtcClient
from transceiver import service
from transceiver.config import TransceiverConfig
from transceiver.routes.route_service import RouteService

CALLS = "/v1/realtime/calls"


def config(directory: Path, drain_s: float) -> TransceiverConfig:
    """A transceiver without relays or workers; its model is loopback."""
    (directory / "keys.json").write_text(json.dumps(new_key_file()))
    (directory / "api_keys").write_text(f"{KEY}\n")
    return TransceiverConfig(
        name="transceiver-1",
        cluster_id=1,
        transceiver_id=1,
        http_listen="127.0.0.1:0",
        peer_listen="127.0.0.1:0",
        media_listen="127.0.0.1:0",
        route_listen=f"unix:{directory}/route.sock",
        admin_listen="127.0.0.1:0",
        candidates=("127.0.0.1:3478",),
        keys_file=directory / "keys.json",
        api_keys_file=directory / "api_keys",
        drain_s=drain_s,
    )


class Scene:
    """A whole transceiver in this process."""

    def __init__(self, task: "asyncio.Task[None]", stop: asyncio.Event, ready: dict[str, str]) -> None:
        self.task = task
        self.stop = stop
        self.http = ready["http"]
        self.admin = ready["metrics"].removesuffix("/metrics")

    async def place(self) -> tuple[int, str]:
        """Places a call: the status, and the call's id or the error's code."""
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as client,
            client.post(
                self.http + CALLS, data=WebRtcClient().offer(), headers={"Content-Type": "application/sdp"}
            ) as answer,
        ):
            if answer.status == 201:
                return answer.status, answer.headers["Location"].rpartition("/")[2]
            return answer.status, (await answer.json())["error"]["code"]

    async def readiness(self) -> str:
        """What /readyz says."""
        async with aiohttp.ClientSession() as client, client.get(f"{self.admin}/readyz") as answer:
            return (await answer.text()).strip()


@asynccontextmanager
async def transceiver(directory: Path, *, drain_s: float) -> AsyncIterator[Scene]:
    """One that is ready; stopped at the end if the test did not."""
    stop, ready_file = asyncio.Event(), directory / "ready.json"
    task = asyncio.create_task(service.serve(config(directory, drain_s), stop, ready_file))
    try:
        async with asyncio.timeout(20):
            while not ready_file.exists():
                assert not task.done(), task.exception()
                await asyncio.sleep(0.01)
        yield Scene(task, stop, json.loads(ready_file.read_text()))
    finally:
        stop.set()
        task.cancel()
        await asyncio.wait([task])


async def test_calls_go_on_new_ones_are_refused_and_the_last_hang_up_ends_the_process(tmp_path: Path) -> None:
    async with transceiver(tmp_path, drain_s=600) as made:
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
    async with transceiver(tmp_path, drain_s=0) as made:
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
    async with transceiver(tmp_path, drain_s=600) as made:
        broken.set()
        with pytest.raises(RuntimeError, match="broken"):
            await asyncio.wait_for(made.task, 20)
