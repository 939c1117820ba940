"""A transceiver that is told to stop takes no new call, waits for those it has, and then ends."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from offhook_worker.echo import EchoWorker

from tests.support.event_reader import EventReader
from tests.support.http_scene import ask
from tests.support.live_caller import LiveCaller
from tests.support.webrtc_client import ClientOptions, WebRtcClient
from tests.support.whole_transceiver import CALLS, config, reachable_transceiver, whole_transceiver
from tests.support.worker_scene import serving
from transceiver.routes.route_service import RouteService
from transceiver.signalling.shared_port import listeners_at
from wire.address import parse_address


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


@pytest.mark.parametrize("endpoint", [CALLS, "/whip"])
async def test_whoever_is_refused_is_told_to_come_again_on_a_new_connection(tmp_path: Path, endpoint: str) -> None:
    async with whole_transceiver(config(tmp_path, drain_s=600), tmp_path) as made:
        assert (await made.place())[0] == 201
        made.stop.set()
        async with asyncio.timeout(20):
            while await made.readiness() != "draining":
                await asyncio.sleep(0.01)
        headers = {**made.headers, "Content-Type": "application/sdp"}
        async with (
            aiohttp.ClientSession() as client,
            client.post(made.http + endpoint, data=WebRtcClient().offer(), headers=headers) as answer,
        ):
            assert answer.status == 503
            assert answer.headers["x-should-retry"] == "true"
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Connection"] == "close"


async def test_calls_that_do_not_end_by_themselves_are_ended(tmp_path: Path) -> None:
    async with whole_transceiver(config(tmp_path, drain_s=0), tmp_path) as made:
        assert (await made.place())[0] == 201
        made.stop.set()
        await asyncio.wait_for(made.task, 20)


async def test_a_call_that_is_ended_is_told_why(tmp_path: Path) -> None:
    pytest.importorskip("offhook_datapath", reason="the native module is not built here")
    worker = f"unix:{tmp_path}/worker.sock"
    async with (
        serving(EchoWorker(), address=worker),
        reachable_transceiver(tmp_path, workers=(worker,), drain_s=0) as made,
        LiveCaller(made, ClientOptions(data_channel=True)) as caller,
    ):
        await caller.call()
        reader = EventReader(caller)
        await reader.event("session.created")
        made.stop.set()
        told = await reader.event("error")
        assert told["error"]["code"] == "shutting_down"
        dtls = caller.client.dtls
        assert dtls is not None
        await caller.until(lambda: dtls.closed_by_remote, "close_notify")
        await asyncio.wait_for(made.task, 20)


async def test_a_shared_port_is_left_to_the_others(tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        public = f"127.0.0.1:{reserved.getsockname()[1]}"
        async with AsyncExitStack() as stack:
            made = []
            for number in (1, 2):
                directory = tmp_path / str(number)
                directory.mkdir()
                configuration = config(directory, transceiver_id=number, http_listen=public, drain_s=600)
                made.append(await stack.enter_async_context(whole_transceiver(configuration, directory)))
            one, other = made
            assert (await one.place())[0] == 201
            one.stop.set()
            async with asyncio.timeout(20):
                while await one.readiness() != "draining" or listeners_at(parse_address(public)) > 1:
                    await asyncio.sleep(0.01)
            placed = [await other.place(f"http://{public}") for _ in range(20)]
            assert {status for status, _ in placed} == {201}
            # Its own calls are still asked for at its peer address, and whoever places one there is told.
            assert await one.place() == (503, "draining")
            # The last one on a port stays, so that clients get an answer and not a refused connection.
            other.stop.set()
            async with asyncio.timeout(20):
                while await other.readiness() != "draining":
                    await asyncio.sleep(0.01)
            assert await other.place(f"http://{public}") == (503, "draining")


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
